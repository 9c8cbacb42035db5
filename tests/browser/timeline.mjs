// Uses the keyframe timeline as a person does: node timeline.mjs <url> <chromium> <job.json>; prints one JSON object.
// The job: {"template": name, "numbers": {widget: value}, "pictures": [paths], "vue": bool, "chain": name of a workflow
// with Keyframe nodes, "files": {"LoadImage": [names], "LoadImageMask": [names]} for it, "language": of the page, "words":
// the timeline's sentences in it}.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { becomes, calm, clickBeside, launch, open, ready, undo, until } from './host.mjs'

const [url, executablePath, jobPath] = process.argv.slice(2)
const job = JSON.parse(readFileSync(jobPath, 'utf8'))
const NODE = 'GengaArbitraryKeyframes'

const { browser, page } = await launch(executablePath, { width: 1600, height: 1300 })
const errors = []
const ours = (text) => /extensions\/[^/]*genga/i.test(text)
page.on('console', (message) => message.type() === 'error' && ours(message.text() + message.location().url) &&
  errors.push(message.text()))
page.on('pageerror', (error) => ours(String(error.stack)) && errors.push(String(error.stack)))

const strip = page.locator('.genga-timeline .strip')
const handles = page.locator('.genga-timeline .handle')
const field = (name) => page.locator(`.genga-timeline input[type=number][aria-label="${name}"]`)

/** Brings the node where it is seen whole. */
async function show() {
  await page.waitForFunction((type) => window.app.graph._nodes.some((each) => each.type === type), NODE)
  await page.evaluate((type) => {
    const { graph, canvas } = window.app
    const node = graph._nodes.find((each) => each.type === type)
    canvas.ds.scale = 1
    canvas.ds.offset = [400 - node.pos[0], 150 - node.pos[1]]
    canvas.setDirty(true, true)
  }, NODE)
  await strip.waitFor({ state: 'visible' })
  await calm(page)
}

const value = () => page.evaluate((type) => window.app.graph._nodes.find((each) => each.type === type)
  .widgets.find(({ name }) => name === 'timeline').value, NODE)
const frames = async () => JSON.parse(await value()).keyframes.map(({ frame }) => frame)

/** Waits until the value has these frames; gives what it has in the end. */
const settled = (expected) => becomes(frames, expected)

/** Through the host's template browser, by clicks; then smaller numbers than shipped, for time. */
async function openTemplate() {
  await page.locator('.templates-tab-button').click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('ComfyUI-Genga', { exact: true }).click()
  await dialog.getByRole('heading', { name: job.template, exact: true }).click()
  await page.waitForFunction((type) => window.app.graph._nodes.some((each) => each.type === type), NODE)
  await dialog.waitFor({ state: 'hidden' })
  await page.evaluate((numbers) => {
    for (const { widgets } of window.app.graph._nodes) {
      for (const widget of widgets ?? []) if (widget.name in numbers) widget.value = numbers[widget.name]
    }
  }, job.numbers)
  await calm(page)
}

/** The pictures, and among them a file that only calls itself one. */
async function dropPictures() {
  const files = job.pictures.map((path) => ({ name: basename(path), bytes: readFileSync(path).toString('base64') }))
  files.splice(1, 0, { name: 'broken.png', bytes: btoa('no picture') })
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

/** What `ask` answers once that has not changed for a second. */
async function still(ask) {
  let [last, since] = ['', 0]
  await until(async () => {
    const now = JSON.stringify(await ask())
    if (now !== last) [last, since] = [now, Date.now()]
    return Date.now() - since > 1000
  })
  return JSON.parse(last)
}

/** Paints a line over the left of the selected picture in the host's mask editor; gives what is then in the value. */
async function paint() {
  const timeline = page.locator('.genga-timeline')
  await timeline.locator('summary').click()
  await timeline.getByRole('button', { name: job.words.paint }).click()
  const canvas = page.locator('#maskEditorCanvasContainer canvas').first()
  await canvas.waitFor()
  await until(() => canvas.evaluate(({ width }) => width !== 300)) // a canvas without its picture yet
  const { x, y, width, height } = await still(() => canvas.boundingBox()) // the editor fits it into its place
  await page.mouse.move(x + width * 0.25, y + height * 0.2)
  await page.mouse.down()
  for (let i = 1; i <= 8; i += 1) await page.mouse.move(x + width * 0.25, y + height * (0.2 + i * 0.075))
  await page.mouse.up()
  await page.locator('[role=dialog] button:has(.pi-check)').click() // Save, in any language
  await canvas.waitFor({ state: 'hidden' })
  await until(async () => (await value()).includes('mask'))
  return JSON.parse(await value()).keyframes
}

async function queue() {
  const known = Object.keys(await (await fetch(url + '/history')).json())
  await page.evaluate(() => window.app.queuePrompt(0))
  const isNew = async () => Object.keys(await (await fetch(url + '/history')).json()).find((id) => !known.includes(id))
  return await until(isNew, 600) ?? null
}

/** What the film of the last run says, and its colours at frames of the video's 81; `old`: what it is to be by now. */
async function film(frames, old) {
  const whole = page.locator('.genga-timeline .film:not([hidden])[aria-busy=false]')
  await whole.waitFor()
  await until(() => whole.evaluate((film, old) => film.classList.contains('old') === old, old))
  return page.evaluate((frames) => {
    const root = document.querySelector('.genga-timeline').shadowRoot
    const handles = [...root.querySelectorAll('.handle')].map((each) => each.getBoundingClientRect())
    const [first, last] = [handles[0], handles.at(-1)].map(({ left, width }) => left + width / 2)
    const film = root.querySelector('.film')
    const canvas = film.querySelector('canvas')
    const box = canvas.getBoundingClientRect()
    const colours = frames.map((frame) => {
      const x = first + ((last - first) * frame) / 80 + 4 // beside the line that marks a keyframe
      const pixel = [((x - box.left) * canvas.width) / box.width, canvas.height * 0.2]
      const { data } = canvas.getContext('2d').getImageData(...pixel.map(Math.round), 10, canvas.height * 0.6)
      return [0, 1, 2].map((part) => data.filter((_, i) => i % 4 === part).reduce((sum, one) => sum + one, 0) * 4 / data.length)
    })
    return { says: film.getAttribute('aria-label'), old: film.classList.contains('old'), colours }
  }, frames)
}

/** What axe-core finds in the timeline, light and dark. */
async function axe() {
  await page.evaluate(readFileSync('node_modules/axe-core/axe.min.js', 'utf8'))
  const found = []
  for (const palette of ['light', 'dark']) {
    await page.evaluate((palette) => window.app.extensionManager.setting.set('Comfy.ColorPalette', palette), palette)
    await calm(page)
    const { violations } = await page.evaluate(() => window.axe.run(document.querySelector('.genga-timeline')))
    found.push(...violations.map(({ id, impact, nodes }) => (
      { palette, id, impact, where: nodes.map(({ target }) => String(target)) })))
  }
  return found
}

/** Opens a workflow with Keyframe nodes, with pictures that are there. */
async function openChain() {
  await page.evaluate(async ({ chain, files }) => {
    const path = `/workflow_templates/ComfyUI-Genga/${encodeURIComponent(chain)}.json`
    const workflow = await (await window.app.api.fetchApi(path)).json()
    const left = structuredClone(files)
    for (const { type, widgets_values } of workflow.nodes) if (left[type]?.length) widgets_values[0] = left[type].shift()
    await window.app.loadGraphData(workflow)
  }, job)
  await calm(page)
  await show()
}

/** What is wired into the timeline's node by now: the frame of each Keyframe node. */
const wired = () => page.evaluate((type) => {
  const frames = []
  let node = window.app.graph._nodes.find((each) => each.type === type)
  for (;;) {
    node = node.getInputNode(node.inputs.findIndex(({ name }) => name === 'keyframes'))
    if (!node) return frames
    frames.push(node.widgets.find(({ name }) => name === 'frame_index').value)
  }
}, NODE)

const takeOver = page.locator('.genga-timeline').getByRole('button', { name: job.words.takeOver.split('{')[0] })
const says = () => page.locator('.genga-timeline .status').innerText()

async function takeOvers() {
  await openChain()
  const found = { offer: await takeOver.innerText(), before: await wired() }
  await takeOver.click()
  Object.assign(found, { frames: await settled([0, 40]), value: JSON.parse(await value()), after: await wired(), said: await says(),
    offered: await takeOver.isVisible() })
  await undo(page)
  Object.assign(found, { undone: await settled([]), rewired: await wired() })
  await page.evaluate(() => { // a picture that is computed
    const { graph } = window.app
    const key = graph._nodes.find((node) => node.type === 'GengaKeyframe' && node.widgets[0].value === 0)
    const slot = key.inputs.findIndex(({ name }) => name === 'image')
    const computed = window.LiteGraph.createNode('ImageInvert')
    graph.add(computed)
    key.getInputNode(slot).connect(0, computed, 0)
    computed.connect(0, key, slot)
  })
  await takeOver.click()
  return Object.assign(found, { some: await settled([40]), left: await wired(), why: await says() })
}

/** Whether the page has put a value where a reload finds it, however it is escaped there. */
function drafted(value) {
  const bare = (text) => text.replace(/[\\"]/g, '')
  return [localStorage, sessionStorage].flatMap(Object.values).some((text) => bare(text).includes(bare(value)))
}

const result = { errors }
await open(page, url, { 'Comfy.VueNodes.Enabled': Boolean(job.vue), 'Comfy.Locale': job.language })
await openTemplate()
await show()
await dropPictures()
result.dropped = await settled([0, 40, 80])
result.broken = await says()
await clickBeside(page)
await undo(page)
result.taken = await settled([])
await page.keyboard.press('Control+y')
result.brought = await settled([0, 40, 80])
await show()
const place = () => page.evaluate((type) => [...window.app.graph._nodes.find((each) => each.type === type).pos], NODE)
const before = await place()
await dragTo(1, 56)
result.dragged = await settled([0, 56, 80])
result.still = JSON.stringify(before) === JSON.stringify(await place())
await field(job.words.strength).fill('0.5')
await field(job.words.strength).press('Enter')
await handles.nth(1).focus()
await page.keyboard.press('ArrowLeft')
result.stepped = await settled([0, 48, 80])
await page.keyboard.press('Delete')
result.removed = await settled([0, 80])
await undo(page)
result.undone = await settled([0, 48, 80])
await handles.nth(1).focus()
await page.keyboard.press('ArrowRight')
result.redone = await settled([0, 56, 80])
result.painted = await paint()
result.axe = await axe()
result.value = await value()
result.prompt_id = await queue()
result.film = result.prompt_id && (await film([0, 56, 72], false))
await handles.nth(1).focus()
await page.keyboard.press('ArrowRight')
await settled([0, 64, 80])
result.changed = await film([0], true)
await undo(page)
await settled([0, 56, 80])
result.back = await film([0], false)
result.refused = await page.evaluate(() => JSON.parse(JSON.stringify(window.app.lastNodeErrors ?? null)))
await until(() => page.evaluate(drafted, result.value)) // the page keeps its drafts a moment later
await page.reload({ waitUntil: 'domcontentloaded', timeout: 300000 })
await ready(page)
await show()
result.reloaded = await value()
result.shown = await handles.evaluateAll((all) => all.map((each) => each.getAttribute('aria-valuetext')))
result.chain = await takeOvers()
await browser.close()
console.log(JSON.stringify(result))
