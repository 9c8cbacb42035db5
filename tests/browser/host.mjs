// What the scripts that drive the host's real page share: they open it, and wait for what is to come rather than for a
// time, so that a slow machine passes as well. GENGA_SLOWER=6 makes the page's own work take six times as long.
import { chromium } from 'playwright-core'

const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync']
const OPENING = 300000 // milliseconds: the page has megabytes of scripts
const PATIENCE = 120000 // for anything else; what is right comes long before
const SLOWER = Number(process.env.GENGA_SLOWER ?? 1)
// All that one test sets is set by each, so that none finds what another left.
const SETTINGS = {
  'Comfy.TutorialCompleted': true, 'Comfy.Workflow.ShowMissingModelsWarning': false, 'Comfy.VueNodes.Enabled': false,
  'Comfy.Locale': 'en', 'Comfy.EnableTooltips': true, 'Comfy.ColorPalette': 'dark'
}

/** Sets settings of the host's user. */
export const set = (url, settings) => fetch(url + '/settings', {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(settings)
})

/** A browser and a page in it; nothing is open there yet. */
export async function launch(executablePath, viewport = { width: 1500, height: 1000 }) {
  const browser = await chromium.launch({ executablePath, args: QUIET })
  const page = await browser.newPage({ viewport })
  page.setDefaultTimeout(PATIENCE)
  if (SLOWER > 1) await (await page.context().newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: SLOWER })
  return { browser, page }
}

/** Opens the host's page with these settings, and waits until it can be used. */
export async function open(page, url, settings = {}) {
  await set(url, { ...SETTINGS, ...settings })
  await page.goto(url, { waitUntil: 'domcontentloaded', timeout: OPENING })
  await ready(page)
}

/** Waits until the page, loaded or loaded anew, can be used. */
export async function ready(page) {
  await page.waitForFunction(() => window.app?.extensionManager && window.app?.graph?._nodes, null, { timeout: OPENING })
  await calm(page)
}

/** Waits until the page is idle, has drawn, and its graph stays as it is: sizes, too, which the host's undo counts. */
export const calm = (page) => page.evaluate(async (patience) => {
  const end = performance.now() + patience
  await document.fonts.ready
  let last = null
  for (let same = 0; same < 6 && performance.now() < end;) {
    await new Promise((done) => setTimeout(done, 100))
    await new Promise((done) => requestIdleCallback(done, { timeout: 2000 }))
    await new Promise(requestAnimationFrame)
    const { nodes, links } = window.app.graph.serialize()
    const now = JSON.stringify([nodes, links])
    same = now === last ? same + 1 : 0
    last = now
  }
}, PATIENCE)

/** Asks until the answer is true or `seconds` are over; gives the last one, for the test to judge. */
export async function until(ask, seconds = PATIENCE / 1000) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer || Date.now() > end) return answer
    await new Promise((done) => setTimeout(done, 100))
  }
}

/** Asks until the answer equals `wanted` as JSON; gives the last one. */
export async function becomes(ask, wanted) {
  let last
  await until(async () => JSON.stringify(last = await ask()) === JSON.stringify(wanted))
  return last
}

/** Clicks where the canvas is empty, as people do: the host then looks for changes. */
export async function clickBeside(page) {
  const [x, y] = await page.evaluate(() => {
    const { graph, canvas } = window.app
    const box = canvas.canvas.getBoundingClientRect()
    const bare = (x, y) => {
      const [left, top] = canvas.ds.convertCanvasToOffset([x - box.left, y - box.top])
      const inside = ({ pos, size }) => left > pos[0] - 40 && left < pos[0] + size[0] + 40 && top > pos[1] - 80 && top < pos[1] + size[1] + 80
      return document.elementFromPoint(x, y) === canvas.canvas && !graph._nodes.some(inside)
    }
    const all = Array.from({ length: 1600 }, (_, i) => [box.left + (box.width * (i % 40 + 0.5)) / 40, box.top + (box.height * (Math.floor(i / 40) + 0.5)) / 40])
    return all.find(([x, y]) => bare(x, y)) ?? [box.left + 1, box.top + 1]
  })
  await page.mouse.click(x, y)
}

/** Presses Ctrl+Z, and waits until the host has gone back. */
export async function undo(page) {
  const place = () => page.evaluate(() => {
    const { undoQueue, redoQueue, _restoringState } = window.app.extensionManager.workflow.activeWorkflow.changeTracker
    return _restoringState ? '' : `${undoQueue.length} ${redoQueue.length}`
  })
  const before = await place()
  await page.keyboard.press('Control+z')
  await until(async () => ![before, ''].includes(await place()))
  await calm(page)
}
