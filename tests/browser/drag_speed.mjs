// How fast the timeline follows a drag: node drag_speed.mjs <url> <chromium> <vue: 0|1>; prints one JSON object.
// 40 keyframes; one is dragged to and fro by a pointer event before every frame the browser draws, for SECONDS.
import { calm, launch, open } from './host.mjs'

const SECONDS = 5
const [url, executablePath, vue] = process.argv.slice(2)
const { browser, page } = await launch(executablePath, { width: 1400, height: 1000 })
await open(page, url, { 'Comfy.VueNodes.Enabled': vue === '1' })

// pictures of 832x480, as people have them, from the page itself
await page.evaluate(async () => {
  const { app } = window
  app.graph.clear()
  const node = window.LiteGraph.createNode('GengaArbitraryKeyframes')
  app.graph.add(node)
  node.pos = [0, 0]
  app.canvas.ds.offset = [250, 120]
  app.canvas.ds.scale = 1
  node.widgets.find(({ name }) => name === 'snap').value = 'none'
  const keyframes = []
  for (let i = 0; i < 40; i += 1) {
    const canvas = Object.assign(document.createElement('canvas'), { width: 832, height: 480 })
    const ctx = canvas.getContext('2d')
    ctx.fillStyle = `hsl(${i * 9} 60% 50%)`
    ctx.fillRect(0, 0, 832, 480)
    const body = new FormData()
    body.append('image', new File([await new Promise((done) => canvas.toBlob(done))], `speed${i}.png`))
    const image = await (await app.api.fetchApi('/upload/image', { method: 'POST', body })).json()
    keyframes.push({ frame: i * 2, image, strength: 1 })
  }
  const value = node.widgets.find(({ name }) => name === 'timeline')
  value.value = JSON.stringify({ version: 1, keyframes })
  value.callback?.(value.value)
})
const handle = page.locator('.genga-timeline .handle').nth(20)
await handle.waitFor()
await calm(page)
await page.waitForTimeout(2000) // the thumbnails
const { x, y } = await handle.boundingBox()
await page.mouse.move(x + 4, y + 20)
await page.mouse.down()
const result = await page.evaluate(async ({ x, y, seconds }) => {
  const strip = document.querySelector('.genga-timeline').shadowRoot.querySelector('.strip')
  const times = []
  const start = performance.now()
  let frame = 0
  while (performance.now() - start < seconds * 1000) {
    const clientX = x + 150 * Math.sin(frame / 20)
    strip.dispatchEvent(new PointerEvent('pointermove', { clientX, clientY: y + 20, bubbles: true, pointerId: 1 }))
    times.push(await new Promise(requestAnimationFrame))
    frame += 1
  }
  const gaps = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b)
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  return { frames: gaps.length, fps: 1000 / mean, slowest5: 1000 / gaps[Math.floor(gaps.length * 0.95)] }
}, { x, y, seconds: SECONDS })
await page.mouse.up()
result.keyframes = await page.locator('.genga-timeline .handle').count()
await browser.close()
console.log(JSON.stringify(result))
