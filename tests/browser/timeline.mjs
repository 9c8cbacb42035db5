// Uses the keyframe timeline as a person does: node timeline.mjs <url> <chromium> <job.json>; prints one JSON object.
// The job: {"template": name, "stand_ins": {model: tiny model}, "loads": [names for Load Image], "pictures": [paths],
// "vue": bool}.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { chromium } from 'playwright-core'

const [url, executablePath, jobPath] = process.argv.slice(2)
const job = JSON.parse(readFileSync(jobPath, 'utf8'))
const NODE = 'GengaArbitraryKeyframes'
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync']

const browser = await chromium.launch({ executablePath, args: quiet })
const page = await browser.newPage({ viewport: { width: 1600, height: 1300 } })
const errors = []
const ours = (text) => /extensions\/[^/]*genga/i.test(text)
page.on('console', (message) => message.type() === 'error' && ours(message.text() + message.location().url) &&
  errors.push(message.text()))
page.on('pageerror', (error) => ours(String(error.stack)) && errors.push(String(error.stack)))
const settings = { 'Comfy.TutorialCompleted': true, 'Comfy.Workflow.ShowMissingModelsWarning': false,
  'Comfy.VueNodes.Enabled': Boolean(job.vue) }
await fetch(url + '/settings', { method: 'POST', headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(settings) })

const strip = page.locator('.genga-timeline .strip')
const handles = page.locator('.genga-timeline .handle')
const field = (name) => page.locator(`.genga-timeline input[type=number][aria-label="${name}"]`)

async function ready() {
  await page.waitForFunction(() => window.app?.extensionManager && window.app?.graph?._nodes, null, { timeout: 120000 })
  await page.waitForTimeout(1500)
}

/** Brings the node where it is seen whole. */
async function show() {
  await page.evaluate((type) => {
    const { graph, canvas } = window.app
    const node = graph._nodes.find((each) => each.type === type)
    canvas.ds.scale = 1
    canvas.ds.offset = [400 - node.pos[0], 150 - node.pos[1]]
    canvas.setDirty(true, true)
  }, NODE)
  await strip.waitFor({ state: 'visible' })
  await page.waitForTimeout(500)
}

const value = () => page.evaluate((type) => window.app.graph._nodes.find((each) => each.type === type)
  .widgets.find(({ name }) => name === 'timeline').value, NODE)
const frames = async () => JSON.parse(await value()).keyframes.map(({ frame }) => frame)

/** Waits until the value has these frames; gives what it has in the end. */
async function settled(expected) {
  for (let i = 0; i < 100 && JSON.stringify(await frames()) !== JSON.stringify(expected); i += 1) await page.waitForTimeout(100)
  return frames()
}

async function openTemplate() {
  await page.evaluate(async ({ template, models, loads, type }) => {
    const path = `/workflow_templates/ComfyUI-Genga/${encodeURIComponent(template)}.json`
    const workflow = await (await window.app.api.fetchApi(path)).json()
    const left = [...loads]
    for (const node of workflow.nodes) {
      node.widgets_values = (node.widgets_values ?? []).map((each) => models[each] ?? each)
      if (node.type === 'LoadImage') node.widgets_values[0] = left.shift()
    }
    await window.app.loadGraphData(workflow)
    for (const { widgets } of window.app.graph._nodes) {
      const steps = widgets?.find(({ name }) => name === 'steps')
      if (steps) steps.value = 2 // the frames are what is looked at, not the noise between
    }
    // the template brings its keyframes by wire; these are set on the strip instead
    const node = window.app.graph._nodes.find((each) => each.type === type)
    node.disconnectInput(node.inputs.findIndex(({ name }) => name === 'keyframes'))
  }, { template: job.template, models: job.stand_ins, loads: job.loads, type: NODE })
  await page.waitForTimeout(1000)
}

async function dropPictures() {
  const files = job.pictures.map((path) => ({ name: basename(path), bytes: readFileSync(path).toString('base64') }))
  await strip.evaluate((element, files) => {
    const dataTransfer = new DataTransfer()
    for (const { name, bytes } of files) {
      const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))
      dataTransfer.items.add(new File([data], name, { type: 'image/png' }))
    }
    const box = element.getBoundingClientRect()
    const where = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }
    for (const name of ['dragover', 'drop']) {
      element.dispatchEvent(new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true, composed: true, ...where }))
    }
  }, files)
}

const middle = async (index) => {
  const { x, y, width } = await handles.nth(index).boundingBox()
  return { x: x + width / 2, y: y + 20 }
}

/** Drags the keyframe `index` to a frame of the video's 81. */
async function dragTo(index, frame) {
  const [first, from, last] = [await middle(0), await middle(index), await middle(2)]
  const to = first.x + ((last.x - first.x) * frame) / 80
  await page.mouse.move(from.x, from.y)
  await page.mouse.down()
  for (let i = 1; i <= 8; i += 1) await page.mouse.move(from.x + ((to - from.x) * i) / 8, from.y + i)
  await page.mouse.up()
}

async function queue() {
  const known = Object.keys(await (await fetch(url + '/history')).json())
  await page.evaluate(() => window.app.queuePrompt(0))
  for (let i = 0; i < 700; i += 1) {
    const id = Object.keys(await (await fetch(url + '/history')).json()).find((each) => !known.includes(each))
    if (id) return id
    await page.waitForTimeout(200)
  }
  return null
}

async function axe() {
  await page.evaluate(readFileSync('node_modules/axe-core/axe.min.js', 'utf8'))
  const { violations } = await page.evaluate(() => window.axe.run(document.querySelector('.genga-timeline')))
  return violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.map(({ target }) => String(target)) }))
}

const result = { errors }
await page.goto(url, { waitUntil: 'domcontentloaded' })
await ready()
await openTemplate()
await show()
await dropPictures()
result.dropped = await settled([0, 40, 80])
const place = () => page.evaluate((type) => [...window.app.graph._nodes.find((each) => each.type === type).pos], NODE)
const before = await place()
await dragTo(1, 56)
result.dragged = await settled([0, 56, 80])
result.still = JSON.stringify(before) === JSON.stringify(await place())
await field('Strength').fill('0.5')
await field('Strength').press('Enter')
await handles.nth(1).focus()
await page.keyboard.press('ArrowLeft')
result.stepped = await settled([0, 48, 80])
await page.keyboard.press('Delete')
result.removed = await settled([0, 80])
await page.keyboard.press('Control+z')
result.undone = await settled([0, 48, 80])
await page.waitForTimeout(600) // undo makes the node anew
await handles.nth(1).focus()
await page.keyboard.press('ArrowRight')
result.redone = await settled([0, 56, 80])
result.axe = await axe()
result.value = await value()
result.prompt_id = await queue()
result.refused = await page.evaluate(() => JSON.parse(JSON.stringify(window.app.lastNodeErrors ?? null)))
await page.waitForTimeout(1500) // the page keeps its drafts a moment later
await page.reload({ waitUntil: 'domcontentloaded' })
await ready()
await show()
result.reloaded = await value()
result.shown = await handles.evaluateAll((all) => all.map((each) => each.getAttribute('aria-valuetext')))
await browser.close()
console.log(JSON.stringify(result))
