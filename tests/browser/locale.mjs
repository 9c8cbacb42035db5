// The host's real page in a language: node locale.mjs <url> <chromium> <job.json>; prints one JSON object.
// The job: {"language": "ja", "types": [node ids], "hover": [node id, widget] | null, "shot": file | null}.
import { readFileSync } from 'node:fs'
import { chromium } from 'playwright-core'

const [url, executablePath, jobPath] = process.argv.slice(2)
const job = JSON.parse(readFileSync(jobPath, 'utf8'))
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync']

const set = (settings) => fetch(url + '/settings', {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(settings)
})

const browser = await chromium.launch({ executablePath, args: quiet })
try {
  await set({ 'Comfy.TutorialCompleted': true, 'Comfy.Locale': job.language, 'Comfy.EnableTooltips': true })
  const page = await browser.newPage({ viewport: { width: 1600, height: 1000 } })
  await page.goto(url, { waitUntil: 'domcontentloaded', timeout: 120000 })
  await page.waitForFunction(() => window.app?.extensionManager && window.app?.graph?._nodes, null, { timeout: 120000 })
  await page.waitForTimeout(1500)
  await page.keyboard.press('Escape') // an empty profile is greeted with the templates
  const nodes = await page.evaluate(shown, job.types)
  const tooltip = job.hover ? await hovered(page, job.hover) : null
  const parts = { ...await page.evaluate(ownParts), tab: await tab(page) }
  if (job.shot) await page.screenshot({ path: job.shot })
  console.log(JSON.stringify({ nodes, tooltip, parts }))
} finally {
  await set({ 'Comfy.Locale': 'en' }) // the tests that follow on this server read English
  await browser.close()
}

// Puts one node of each type on the graph and reads what it calls itself, its slots and its widgets.
function shown(types) {
  window.app.graph.clear()
  window.app.canvas.ds.reset()
  const told = {}
  types.forEach((type, index) => {
    const node = window.LiteGraph.createNode(type)
    node.pos = [480 * index + 100, 140]
    window.app.graph.add(node)
    const names = (list) => Object.fromEntries((list ?? []).map((each) => [each.name, each.label ?? each.localized_name ?? each.name]))
    told[type] = {
      title: node.title,
      category: node.constructor.category,
      description: node.constructor.nodeData.description,
      inputs: { ...names(node.inputs), ...names(node.widgets) },
      outputs: (node.outputs ?? []).map((each) => each.label ?? each.localized_name ?? each.name)
    }
  })
  return told
}

// What the timeline and the strip of the window nodes say on fresh nodes.
async function ownParts() {
  const element = (type, name) => {
    const node = window.LiteGraph.createNode(type)
    window.app.graph.add(node)
    return node.widgets.find((each) => each.name === name).element
  }
  const [timeline, strip] = [element('GengaArbitraryKeyframes', 'timeline_view'), element('GengaInfiniteTalkWindow', 'windows_strip')]
  for (let i = 0; i < 100 && !strip.getAttribute('aria-label'); i += 1) await new Promise((done) => setTimeout(done, 100))
  return { timeline: timeline.shadowRoot.querySelector('button').textContent, strip: strip.getAttribute('aria-label') }
}

async function tab(page) {
  await page.locator('.genga-modes-tab-button').focus()
  await page.keyboard.press('Enter')
  return page.locator('.genga-modes .again').innerText()
}

async function hovered(page, [type, name]) {
  const place = await page.evaluate(([type, name]) => {
    const node = window.app.graph._nodes.find((each) => each.type === type)
    const widget = node.widgets.find((each) => each.name === name)
    const [x, y] = window.app.canvas.ds.convertOffsetToCanvas([node.pos[0] + 60, node.pos[1] + (widget.last_y ?? widget.y) + 8])
    const box = window.app.canvas.canvas.getBoundingClientRect()
    return [box.left + x, box.top + y]
  }, [type, name])
  await page.mouse.move(place[0] - 5, place[1])
  await page.waitForTimeout(300)
  await page.mouse.move(...place)
  const tooltip = page.locator('.node-tooltip')
  await tooltip.waitFor({ timeout: 10000 })
  return tooltip.innerText()
}
