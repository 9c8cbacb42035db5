// What a finished run says of a timeline (web/js/timeline/result.js), on records as the host's /history has them.
import { describe, expect, test } from 'vitest'
import { downstream, filmBelow, moments, resultsOf, stillAsks } from '../../web/js/timeline/result.js'

const prompt = {
  1: { class_type: 'GengaArbitraryKeyframes', inputs: { length: 81, snap: 'latent', timeline: '{}', vae: ['9', 3] } },
  2: { class_type: 'Sampler', inputs: { latent: ['1', 2], positive: ['1', 0] } },
  3: { class_type: 'VAEDecode', inputs: { samples: ['2', 0] } },
  4: { class_type: 'GengaSaveVideo', inputs: { images: ['3', 0] } },
  5: { class_type: 'PreviewImage', inputs: { images: ['8', 0] } },
  8: { class_type: 'LoadImage', inputs: { image: 'a.png' } },
  9: { class_type: 'Loader', inputs: { list: { __value__: ['1', 2] } } }
}
const film = { filename: 'a.mp4', subfolder: 'anisora', type: 'output' }
const still = (name) => ({ filename: name, subfolder: '', type: 'temp' })
const entry = (outputs, workflow = { id: 'w', nodes: [] }, asked = prompt) =>
  ({ prompt: [0, 'id', asked, { extra_pnginfo: { workflow } }, ['4']], outputs })

test('what lies below a node, nearest first; other branches and values that only look like wires do not', () => {
  expect(downstream(prompt, '1')).toEqual(['2', '3', '4'])
  expect(downstream({ a: { inputs: { x: ['b', 0] } }, b: { inputs: { x: ['a', 0] } } }, 'a')).toEqual(['b'])
})

describe('what came out', () => {
  test('a video, else the frames; a single picture is no film', () => {
    const frames = { images: [still('1.png'), still('2.png')] }
    expect(filmBelow({ 3: frames, 4: { images: [film], animated: [true] } }, ['3', '4']))
      .toEqual({ files: [{ name: 'a.mp4', subfolder: 'anisora', type: 'output' }], film: true })
    expect(filmBelow({ 3: frames }, ['3', '4']).files.map(({ name }) => name)).toEqual(['1.png', '2.png'])
    expect(filmBelow({ 3: { images: [still('1.png')] }, 4: { text: ['hello'] } }, ['3', '4'])).toBe(null)
  })
  test('belongs to the timeline above it, by graph and node', () => {
    const [found, ...others] = resultsOf(entry({ 4: { images: [film] }, 5: { images: [film] } }), ['GengaArbitraryKeyframes'])
    expect(others).toEqual([])
    expect(found).toMatchObject({ graph: 'w', node: '1', film: true, asked: { length: 81, snap: 'latent', timeline: '{}' } })
    expect(found.asked).not.toHaveProperty('vae')
  })
  test('is found inside a subgraph', () => {
    const inside = Object.fromEntries(Object.entries(prompt).map(([id, { class_type, inputs }]) => [`7:${id}`, { class_type,
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, value]) =>
        [name, Array.isArray(value) ? [`7:${value[0]}`, value[1]] : value])) }]))
    const workflow = { id: 'w', nodes: [{ id: 7, type: 'sub' }], definitions: { subgraphs: [{ id: 'sub', nodes: [] }] } }
    expect(resultsOf(entry({ '7:4': { images: [film] } }, workflow, inside), ['GengaArbitraryKeyframes']))
      .toMatchObject([{ graph: 'sub', node: '1' }])
  })
  test.each([
    ['nothing', entry({})], ['another node', entry({ 5: { images: [film] } })], ['no record', null],
    ['a run queued by a program', { prompt: [0, 'id', prompt, {}, []], outputs: { 4: { images: [film] } } }]
  ])('%s is no result', (_, given) => expect(resultsOf(given, ['GengaArbitraryKeyframes'])).toEqual([]))
})

test('a run is old once a value of the node is another', () => {
  const asked = { length: 81, timeline: '{}' }
  const now = (values) => (name) => values[name]
  expect(stillAsks(asked, now({ length: 81, timeline: '{}' }))).toBe(true)
  expect(stillAsks(asked, now({ length: 81, timeline: '{"a": 1}' }))).toBe(false)
  expect(stillAsks(asked, now({ timeline: '{}' }))).toBe(true) // the length is wired by now: it is not known
})

test('moments lie in the middle of frames, from the first to the last', () => {
  expect(moments(3, 81).map((share) => share * 81 - 0.5)).toEqual([0, 40, 80])
  expect(moments(32, 5).length).toBe(5)
  expect(moments(32, 1)).toEqual([0.5])
})
