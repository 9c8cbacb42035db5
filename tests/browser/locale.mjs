// The host's real page in a language: node locale.mjs <url> <chromium> <job.json>; prints one JSON object.
// The job: {"language": "ja", "types": [node ids], "hover": [node id, widget] | null, "shot": file | null}.
import { readFileSync } from 'node:fs'
import { calm, launch, open, until } from './host.mjs'

const [url, executablePath, jobPath] = process.argv.slice(2)
const job = JSON.parse(readFileSync(jobPath, 'utf8'))

const { browser, page } = await launch(executablePath, { width: 1600, height: 1000 })
await open(page, url, { 'Comfy.Locale': job.language })
const nodes = await page.evaluate(shown, job.types)
const tooltip = job.hover ? await hovered(page, job.hover) : null
const parts = { ...await page.evaluate(ownParts), tab: await tab(page) }
if (job.shot) await page.screenshot({ path: job.shot })
console.log(JSON.stringify({ nodes, tooltip, parts }))
await browser.close()

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
  while (!strip.getAttribute('aria-label')) await new Promise(requestAnimationFrame)
  return { timeline: timeline.shadowRoot.querySelector('button').textContent, strip: strip.getAttribute('aria-label') }
}

async function tab(page) {
  await page.locator('.genga-modes-tab-button').focus()
  await page.keyboard.press('Enter')
  return page.locator('.genga-modes .again').innerText()
}

// What the host tells when the pointer rests on a widget: it may rest there too early for a slow page, so it comes again.
async function hovered(page, [type, name]) {
  await calm(page)
  const tooltip = page.locator('.node-tooltip')
  await until(async () => {
    const [x, y] = await page.evaluate(placeOf, [type, name])
    await page.mouse.move(x - 5, y)
    await page.mouse.move(x, y)
    return tooltip.waitFor({ timeout: 3000 }).then(() => true, () => false)
  })
  return tooltip.innerText({ timeout: 1000 })
}

function placeOf([type, name]) {
  const { graph, canvas } = window.app
  const node = graph._nodes.find((each) => each.type === type)
  const widget = node.widgets.find((each) => each.name === name)
  const [x, y] = canvas.ds.convertOffsetToCanvas([node.pos[0] + 60, node.pos[1] + (widget.last_y ?? widget.y) + 8])
  const box = canvas.canvas.getBoundingClientRect()
  return [box.left + x, box.top + y]
}
