// Drives the host's real page: node drive.mjs <url> <chromium> <job.json>; prints one JSON object.
// The job: {"workflows": {name: workflow}, "drop": "video.mp4" | null, "shots": folder | null, "vue": bool}.
import { readFileSync } from 'node:fs'
import { calm, launch, open } from './host.mjs'

const [url, executablePath, jobPath] = process.argv.slice(2)
const job = JSON.parse(readFileSync(jobPath, 'utf8'))
// Not ours: pictures and fonts a closed network cannot reach, and files the host looks for but does not ship.
const NOISE = /net::ERR|Failed to load resource|favicon|404|user\.css|NAME_NOT_RESOLVED|Failed to fetch|Network Error|Content Security Policy/i

const { browser, page } = await launch(executablePath, { width: 1920, height: 1080 })
const errors = []
page.on('console', (message) => {
  if (message.type() === 'error' && !NOISE.test(message.text())) errors.push(message.text())
})
page.on('pageerror', (error) => errors.push(String(error)))
await open(page, url, { 'Comfy.VueNodes.Enabled': Boolean(job.vue) })
// The page's own start on an empty profile may fault (1.32.9 does, without any pack); ours counts at any time.
errors.splice(0, errors.length, ...errors.filter((text) => /Genga/.test(text)))

const result = { workflows: {}, drop: null, errors, version: await page.evaluate(() => window.__COMFYUI_FRONTEND_VERSION__) }
for (const [name, workflow] of Object.entries(job.workflows ?? {})) {
  result.workflows[name] = await page.evaluate(async (workflow) => {
    await window.app.loadGraphData(workflow)
    const unknown = window.app.graph._nodes
      .filter((n) => !(n.type in window.LiteGraph.registered_node_types))
      .map((n) => n.type)
    const { output } = await window.app.graphToPrompt()
    const widgets = Object.fromEntries(window.app.graph._nodes.map((n) => [
      String(n.id), Object.fromEntries((n.widgets ?? []).map((w) => [w.name, Boolean(w.hidden || w.options?.hidden)]))
    ]))
    return { unknown, prompt: JSON.parse(JSON.stringify(output)), widgets }
  }, workflow)
  if (job.shots) {
    await page.keyboard.press('Escape')
    await page.evaluate(() => window.app.canvas.canvas.focus())
    await page.keyboard.press('.')
    await calm(page)
    await page.screenshot({ path: `${job.shots}/${name}.png` })
  }
}

if (job.drop) {
  const bytes = readFileSync(job.drop).toString('base64')
  await page.evaluate(() => window.app.graph.clear())
  await page.evaluate(({ bytes }) => {
    const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))
    const transfer = new DataTransfer()
    transfer.items.add(new File([data], 'video.mp4', { type: 'video/mp4' }))
    document.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }))
  }, { bytes })
  await page.waitForFunction(() => window.app.graph._nodes.length > 0)
  result.drop = await page.evaluate(async () => ({
    types: window.app.graph._nodes.map((n) => n.type).sort(),
    prompt: JSON.parse(JSON.stringify((await window.app.graphToPrompt()).output))
  }))
}

await browser.close()
console.log(JSON.stringify(result))
