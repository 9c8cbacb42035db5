// The presets of the panel on the host's real page: node presets.mjs <url> <chromium> <job.json>; prints one JSON object.
// The job: {"vue": bool, "presets": an exported document, "file": its path, "damaged": name of a preset that cannot be read}.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { calm, launch, open } from './host.mjs'

const [url, executablePath, jobPath] = process.argv.slice(2)
const job = JSON.parse(readFileSync(jobPath, 'utf8'))
const { browser, page } = await launch(executablePath)
const errors = []
page.on('pageerror', (error) => errors.push(String(error.stack ?? error)))
await open(page, url, { 'Comfy.VueNodes.Enabled': Boolean(job.vue) })
await page.evaluate(readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'))

const presets = page.locator('.genga-modes .presets')
const said = presets.locator('[role=alert]')
const item = (key) => presets.locator(`li[data-preset="${key}"]`)
const listed = () => presets.locator('li').evaluateAll((items) => items.map((each) => each.dataset.preset))
const button = (name) => presets.getByRole('button', { name, exact: true })
const prompt = () => page.evaluate(async () => JSON.parse(JSON.stringify((await window.app.graphToPrompt()).output)))
const tells = (text) => said.filter({ hasText: text }).waitFor()
const api = async (path) => (await fetch(url + path)).json()

/** Opens a preset by keyboard and gives the lines that it shows. */
async function opened(key) {
  await item(key).locator('summary').focus()
  await page.keyboard.press('Enter')
  await item(key).locator('.remove').waitFor()
  return item(key).locator('dl').innerText()
}
/** Presses one of its buttons by keyboard. */
async function press(key, name) {
  await item(key).getByRole('button', { name, exact: true }).first().focus()
  await page.keyboard.press('Enter')
}

const result = { errors }
await page.locator('.genga-modes-tab-button').focus()
await page.keyboard.press('Enter')
await presets.locator('> summary').focus()
await page.keyboard.press('Enter')
await page.waitForFunction(() => document.querySelector('.genga-modes').shadowRoot.querySelector('.presets[open] p, .presets[open] li'))
result.before = await listed()

// A file brings them; a file of something else does not.
const [chooser] = await Promise.all([page.waitForEvent('filechooser'), button('Bring a file').click()])
await chooser.setFiles(job.file)
await tells('new')
result.brought = [await said.innerText(), await listed()]
await presets.evaluate((element) => {
  const dataTransfer = new DataTransfer()
  dataTransfer.items.add(new File(['{"nodes": []}'], 'graph.json', { type: 'application/json' }))
  element.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true, composed: true }))
})
await tells('graph.json')
result.foreign = [await said.innerText(), await listed()]

// A parameter set opens its workflow and is filled in; prompts and LoRAs go into it, and come off as one step each.
result.lines = await opened('parameters/quick {1} %41')
await press('parameters/quick {1} %41', 'Open AniSora T2V')
await tells('Filled in')
result.filled = [await said.innerText(), await prompt()]
result.title = await page.evaluate(() => window.app.extensionManager.workflow.activeWorkflow.filename)
await opened('prompts/狐')
await press('prompts/狐', 'Fill in')
await tells('Filled in: prompt, negative_prompt.')
await opened('lora_sets/look')
await press('lora_sets/look', 'Put on')
await tells('look is on')
result.all = await prompt()
await press('lora_sets/look', 'Put on') // a second time: no second node
await calm(page)
result.twice = await prompt()

// The open workflow's own texts are kept under a name that must not be taken.
const name = presets.getByRole('textbox', { name: 'Name of the preset' })
await name.focus()
await page.keyboard.type('r w 狐') // single letters are the page's shortcuts elsewhere
await page.keyboard.press('Enter')
await tells('is kept')
await page.evaluate(() => {
  const { widgets } = window.app.graph._nodes.find(({ type }) => type === 'GengaAniSoraPrompt')
  widgets.find((each) => each.name === 'prompt').value = 'A white fox.'
})
await name.fill('狐')
await page.keyboard.press('Enter')
await tells('once more')
result.kept = [await listed(), (await api('/genga/presets/prompts/' + encodeURIComponent('狐'))).values]
await page.keyboard.press('Enter')
await tells('狐 is kept')
result.kept.push((await api('/genga/presets/prompts/' + encodeURIComponent('狐'))).values)
await presets.getByRole('combobox', { name: 'Kind of preset' }).selectOption('parameters')
await name.fill('mine')
await page.evaluate(() => {
  const { widgets } = window.app.graph._nodes.find(({ type }) => type === 'GengaSaveVideo')
  widgets.find((each) => each.name === 'fps').value = 25 // more than a payload takes
})
await name.press('Enter')
await tells('mine is kept')
result.mine = [await said.innerText(), (await api('/genga/presets/parameters/mine')).values]

// As files, one and all.
const downloaded = async (click) => {
  const [download] = await Promise.all([page.waitForEvent('download'), click()])
  return [download.suggestedFilename(), JSON.parse(readFileSync(await download.path(), 'utf8'))]
}
await opened('lora_sets/look')
result.one = await downloaded(() => press('lora_sets/look', 'As a file'))

// Renamed, and deleted at the second press; a damaged one, too, and then all of them can be exported.
await press('lora_sets/look', 'Rename')
await page.keyboard.press('Control+a')
await page.keyboard.type('Look')
await page.keyboard.press('Enter')
await tells('is called Look now')
result.renamed = [await listed(), await page.evaluate(() => document.activeElement.shadowRoot.activeElement.textContent)]
await opened('prompts/r w 狐')
await press('prompts/r w 狐', 'Rename')
await item('prompts/r w 狐').getByRole('textbox').fill('狐')
await page.keyboard.press('Enter')
await tells('There is a preset')
result.taken = await listed()
await press('prompts/r w 狐', 'Delete')
result.asked = [await listed(), await item('prompts/r w 狐').locator('.remove').innerText()]
await press('prompts/r w 狐', 'Really delete?')
await tells('is deleted')
result.deleted = [await listed(), await page.evaluate(() => document.activeElement.shadowRoot.activeElement.textContent)]
await item('prompts/' + job.damaged).locator('summary').click()
await tells('damaged')
await item('prompts/' + job.damaged).locator('.remove').click()
await item('prompts/' + job.damaged).locator('.remove').click()
await tells('is deleted')
result.exported = await downloaded(() => button('All as a file').click())

result.faults = []
for (const palette of ['light', 'dark']) {
  await page.evaluate((palette) => window.app.extensionManager.setting.set('Comfy.ColorPalette', palette), palette)
  await calm(page)
  result.faults.push(...await page.evaluate(async () => {
    const { violations } = await window.axe.run(document.querySelector('.genga-modes'))
    return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary ?? ''}`)
  }))
}
await browser.close()
console.log(JSON.stringify(result))
