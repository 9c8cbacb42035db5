// Files dropped on the host's real page: node files.mjs <url> <chromium> <job.json>; prints one JSON object.
// The job: {"vue": bool, "files": {name: {"type": mime type, "bytes": base64, "open": whether by the menu}}, "give": name}.
import { readFileSync } from 'node:fs'
import { launch, open } from './host.mjs'

const [url, executablePath, jobPath] = process.argv.slice(2)
const job = JSON.parse(readFileSync(jobPath, 'utf8'))
const { browser, page } = await launch(executablePath)
await open(page, url, { 'Comfy.VueNodes.Enabled': Boolean(job.vue) })

const result = { opened: {}, version: await page.evaluate(() => window.__COMFYUI_FRONTEND_VERSION__) }
for (const [name, { type, bytes, open }] of Object.entries(job.files)) {
  await page.evaluate(({ name, type, bytes, open }) => {
    window.app.graph.clear()
    const data = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))
    const transfer = new DataTransfer()
    transfer.items.add(new File([data], name, { type }))
    if (open) {
      const input = document.getElementById('comfy-file-input')
      input.files = transfer.files
      input.dispatchEvent(new Event('change', { bubbles: true }))
      return
    }
    const { canvas } = window.app.canvas
    canvas.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, clientX: 700, clientY: 500, bubbles: true, cancelable: true }))
  }, { name, type, bytes, open })
  // nodes, or the older host's word that there are none in it
  await page.waitForFunction((name) => window.app.graph._nodes.length > 0 ||
    [...document.querySelectorAll('.p-toast-message')].some((each) => each.textContent.includes(name)), name)
  result.opened[name] = await page.evaluate(() => window.app.graph._nodes.map((node) => node.type).sort())
}

if (job.give) {
  const { type, bytes } = job.files[job.give]
  result.given = await page.evaluate(async ({ name, type, bytes }) => {
    window.app.graph.clear()
    const node = window.LiteGraph.createNode('GengaReadSettings')
    window.app.graph.add(node)
    const transfer = new DataTransfer()
    transfer.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type }))
    const event = new DragEvent('drop', { dataTransfer: transfer })
    const takes = [node.onDragOver(event), node.onDragDrop(event)]
    const widget = node.widgets.find(({ name }) => name === 'file')
    for (let turn = 0; turn < 1000 && !String(widget.value).startsWith('genga/'); turn++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return { takes, value: widget.value, saved: node.serialize().widgets_values }
  }, { name: job.give, type, bytes })
}
await browser.close()
console.log(JSON.stringify(result))
