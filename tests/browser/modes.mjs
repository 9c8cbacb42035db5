// The modes panel, the strip and the growing video on the host's real page:
// node modes.mjs <url> <chromium> <job.json>; prints one JSON object. The job: {"vue": bool, "shots": folder | null, "picture": base64}.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { calm, clickBeside, launch, open, undo, until } from './host.mjs'

const [url, executablePath, jobPath] = process.argv.slice(2)
const job = JSON.parse(readFileSync(jobPath, 'utf8'))
const { browser, page } = await launch(executablePath)
const errors = []
page.on('pageerror', (error) => errors.push(String(error.stack ?? error)))
page.on('console', (message) => {
  if (message.type() === 'error') errors.push(`${message.text()} ${message.location().url}`)
})
await open(page, url, { 'Comfy.VueNodes.Enabled': Boolean(job.vue) })

async function shot(name) {
  if (job.shots) await page.screenshot({ path: `${job.shots}/${name}.png` })
}
const types = () => page.evaluate(() => window.app.graph._nodes.map((node) => node.type).sort())
const tabs = () => page.evaluate(() => window.app.extensionManager.workflow.openWorkflows.map(({ path }) => path))
const panel = page.locator('.genga-modes')
const card = (name) => panel.locator(`.mode[data-mode="${name}"]`)

/** The strip of the one node of a type, as a person hears it. */
const strip = (type) => page.evaluate((type) => {
  const { widgets } = window.app.graph._nodes.find((node) => node.type === type)
  const { element } = widgets.find(({ name }) => name === 'windows_strip')
  return {
    words: element.getAttribute('aria-label'), shown: element.isConnected,
    drawn: element.shadowRoot.querySelectorAll('.window').length,
    sections: [...element.shadowRoot.querySelectorAll('title')].map(({ textContent }) => textContent),
    waves: element.shadowRoot.querySelectorAll('.sound').length
  }
}, type)

/** Sets a widget as a person's edit does, and waits for the strip to say so. */
async function set(type, widget, value, words) {
  await page.evaluate(({ type, widget, value }) => {
    const found = window.app.graph._nodes.find((node) => node.type === type).widgets.find(({ name }) => name === widget)
    found.value = value
    found.callback?.(value)
    window.app.api.dispatchEvent(new CustomEvent('graphChanged'))
  }, { type, widget, value })
  await page.waitForFunction(({ words }) => [...document.querySelectorAll('.genga-window-strip')]
    .some((element) => element.getAttribute('aria-label').includes(words)), { words })
}

/** Serious faults that axe-core finds in a part of the page, light and dark. */
async function faults(selector) {
  const found = []
  for (const palette of ['light', 'dark']) {
    await page.evaluate((palette) => window.app.extensionManager.setting.set('Comfy.ColorPalette', palette), palette)
    await calm(page)
    found.push(...await page.evaluate(async ({ selector, palette }) => {
      const { violations } = await window.axe.run(document.querySelector(selector))
      return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .map(({ id, nodes }) => `${palette}: ${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary ?? ''}`)
    }, { selector, palette }))
  }
  return found
}

const result = { errors }
await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'))

// The panel: by keyboard, as by mouse.
await page.locator('.genga-modes-tab-button').focus()
await page.keyboard.press('Enter')
await panel.locator('[role=status]').filter({ hasText: 'a click opens' }).waitFor()
result.modes = await panel.locator('.mode').evaluateAll((cards) => cards.map((each) => ({
  name: each.dataset.mode, words: each.querySelector('.open').textContent,
  missing: [...each.querySelectorAll('.state li')].map((line) => ({
    text: line.textContent, link: line.querySelector('a')?.href
  })),
  picture: each.querySelector('img').getAttribute('src')
})))
result.picture = await page.evaluate(async (src) => (await fetch(src)).headers.get('content-type'), result.modes[0].picture)
result.faults = await faults('.genga-modes')
await shot('panel')

// A click opens a tab of its own, however often; what was open stays.
await card('InfiniteTalk Sections').locator('.open').focus()
await page.keyboard.press('Enter')
await page.waitForFunction(() => window.app.graph._nodes.some(({ type }) => type === 'GengaInfiniteTalkWindow'))
result.opened = await types()
await card('InfiniteTalk Sections').locator('.open:enabled').click()
await page.waitForFunction(() => window.app.extensionManager.workflow.openWorkflows.length === 3)
await card('InfiniteTalk Sections').locator('.open:enabled').waitFor()
result.tabs = await tabs()

// The strip: length, sections and sound.
const TALK = 'GengaInfiniteTalkWindow'
await set(TALK, 'length', 225, '3 windows of 81, 9 shared')
result.three = await strip(TALK)
await set('GengaSections', 'start', 3, '1 section after the end')
result.sections = await strip(TALK)
await set(TALK, 'frame_window', 9, 'must be smaller')
result.faults.push(...await faults('.genga-window-strip'))
result.wrong = await strip(TALK)
await set(TALK, 'frame_window', 81, '3 windows')
await set('LoadAudio', 'audio', 'strip.wav', '3 windows')
await set(TALK, 'length', 0, '2 windows of 81, 9 shared · 100 frames, 4 s')
await page.waitForFunction(() => [...document.querySelectorAll('.genga-window-strip')]
  .some((element) => element.shadowRoot.querySelector('.sound')))
result.sound = await strip(TALK)
result.saved = await page.evaluate((type) => window.app.graph.serialize().nodes
  .find((node) => node.type === type).widgets_values, TALK)
await shot('strip')

// Prompts and pictures per window: a window is chosen, its prompt written, a picture dropped.
const slots = page.locator('.genga-window-strip .editor')
const into = (type) => page.evaluate((type) => { // into sight: what is far away is not drawn
  const { pos, size } = window.app.graph._nodes.find((node) => node.type === type)
  Object.assign(window.app.canvas.ds, { scale: 1 })
  window.app.canvas.ds.offset.splice(0, 2, 600 - pos[0], 850 - pos[1] - size[1])
  window.app.canvas.setDirty(true, true)
}, type)
const prompt = () => page.evaluate(async () => JSON.parse(JSON.stringify((await window.app.graphToPrompt()).output)))
const nodes = () => page.evaluate(() => window.app.graph._nodes.length)
await into(TALK)
await slots.getByRole('button', { name: 'Prompt and picture per window' }).click()
const field = slots.locator('textarea')
result.slots = { first: [await slots.locator('.row span').innerText(), await field.inputValue()] }
await slots.getByRole('button', { name: 'Next window' }).click()
await until(async () => (await field.inputValue()) !== '')
result.slots.second = [await slots.locator('.row span').innerText(), await field.inputValue()]
result.slots.nodes = [await nodes()]
await field.fill('She whispers.')
await field.press('Tab')
await until(async () => JSON.stringify(await prompt()).includes('She whispers.'))
result.slots.edited = await prompt()
result.slots.nodes.push(await nodes())
await slots.getByRole('button', { name: 'Window before' }).click()
await field.fill('She waves.')
await field.press('Tab')
await until(async () => (await nodes()) > result.slots.nodes[0])
result.slots.made = await prompt()
result.slots.nodes.push(await nodes())
await slots.locator('.picture').evaluate((element, bytes) => {
  const dataTransfer = new DataTransfer()
  const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))
  dataTransfer.items.add(new File([data], 'slot.png', { type: 'image/png' }))
  element.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true, composed: true }))
}, job.picture)
await until(async () => JSON.stringify(await prompt()).includes('slot.png'))
result.slots.pictured = await prompt()
await calm(page)
const pictures = page.locator('.genga-window-strip image')
await until(() => pictures.count())
result.slots.shown = await pictures.count()
result.slots.faults = await faults('.genga-window-strip')
await shot('slots')
// Vue nodes measure new nodes a moment later, and the host makes a step of undo of that, too: one at each click.
if (!job.vue) await clickBeside(page)
result.slots.steps = 0
while (result.slots.steps < 3 && JSON.stringify(await prompt()).includes('slot.png')) {
  result.slots.steps += 1
  await slots.getByRole('button', { name: /^(Close|Prompt and picture per window)$/ }).first().focus()
  await undo(page)
}
result.slots.undone = await prompt()
await slots.getByRole('button', { name: 'Prompt and picture per window' }).click() // their strip is the one that is seen
await until(async () => (await field.inputValue()) !== '')
result.slots.again = await field.inputValue()

// The growing video: what the host tells is shown, and gone when the finished one comes.
const visible = () => page.evaluate(() => {
  const { widgets } = window.app.graph._nodes.find(({ type }) => type === 'GengaWindowSampler')
  const { element, hidden } = widgets.find(({ name }) => name === 'windows_so_far')
  return !hidden && element.checkVisibility() && element.querySelector('video').videoWidth > 0
})
const tell = (name, detail) => page.evaluate(({ name, detail }) => {
  const { id } = window.app.graph._nodes.find(({ type }) => type === 'GengaWindowSampler')
  window.app.api.dispatchEvent(new CustomEvent(name, { detail: { node: String(id), ...detail } }))
}, { name, detail })
await page.evaluate(() => { // into sight: what is far away is not drawn
  const { pos } = window.app.graph._nodes.find(({ type }) => type === 'GengaWindowSampler')
  Object.assign(window.app.canvas.ds, { scale: 1 })
  window.app.canvas.ds.offset.splice(0, 2, 600 - pos[0], 100 - pos[1])
  window.app.canvas.setDirty(true, true)
})
const file = { filename: 'strip.mp4', subfolder: '', type: 'temp' }
await tell('genga.windows', { ...file, from: 1, to: 2, of: 4 })
await page.waitForFunction(() => [...document.querySelectorAll('video')]
  .some((video) => /strip\.mp4/.test(video.src) && video.duration > 0))
await calm(page)
result.growing = await page.evaluate(() => [...document.querySelectorAll('video')]
  .find((video) => /strip\.mp4/.test(video.src)).getAttribute('aria-label'))
result.during = await visible()
await shot('growing')
await tell('executed', { output: {} })
result.after = await visible()

// Windows that are cut where sections begin: a new node with one section.
const CHAIN = 'GengaWanI2VWindow'
await page.evaluate((type) => {
  const made = [type, 'GengaSections'].map((each) => window.LiteGraph.createNode(each))
  made.forEach((node, index) => {
    node.pos = [-2000 - 500 * index, -2000]
    window.app.graph.add(node)
  })
  made[1].widgets.find(({ name }) => name === 'start').value = 2
  made[1].connect(0, made[0], made[0].inputs.findIndex(({ name }) => name === 'sections'))
}, CHAIN)
await set(CHAIN, 'length', 97, '2 windows of 81, 5 shared · 97 frames')
result.chain = { ...await strip(CHAIN), places: await page.evaluate((type) => {
  const { widgets } = window.app.graph._nodes.find((node) => node.type === type)
  const { shadowRoot } = widgets.find(({ name }) => name === 'windows_strip').element
  return [...shadowRoot.querySelectorAll('.window')].map((each) => each.getAttribute('x'))
}, CHAIN) }

await browser.close()
console.log(JSON.stringify(result))
