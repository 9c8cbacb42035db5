// Presets into a workflow's nodes and out of them, and what is kept of them: web/js/presets.
import { expect, test } from 'vitest'
import { aboutOf, fill, gather, workflowOf } from '../../web/js/presets/fill.js'
import { documentIn, fileName, keyOf, lines, Shelf, without } from '../../web/js/presets/shelf.js'

const at = (value, more = {}) => ({ value, ...more })
const node = (id, type, widgets = {}, from = {}) => ({ id, type, widgets, from })
const VIDEO = [
  node(1, 'CLIPTextEncode', { text: at('a boat') }),
  node(2, 'CLIPTextEncode', { text: at('blurry') }),
  node(3, 'GengaWanFFLF', { length: at(81, { min: 1, max: 999 }), first_strength: at(0.85, { min: 0, max: 1 }) },
    { positive: 1, negative: 2, width: 9, height: 9 }),
  node(4, 'KSampler', {
    seed: at(3, { min: 0, max: 1e15 }), steps: at(30), cfg: at(6), sampler_name: at('uni_pc', { values: ['uni_pc', 'euler', 'dpmpp_2m'] }),
    scheduler: at('simple', { values: ['simple', 'karras'] }), denoise: at(1)
  }, { positive: 3, negative: 3 }),
  node(5, 'GengaSaveVideo', { format: at('mp4', { values: ['mp4', 'webm'] }), fps: at(16) }, { images: 4 })
]
const FLUX = [
  node(1, 'CLIPTextEncode', { text: at('a fox') }),
  node(2, 'FluxGuidance', {}, { conditioning: 1, guidance: 6 }),
  node(3, 'ConditioningZeroOut', {}, { conditioning: 1 }),
  node(4, 'KSampler', { cfg: at(1) }, { positive: 2, negative: 3, steps: 6 }),
  node(6, 'GengaImageSettings', {
    model: at('flux'), steps: at(25), cfg: at(3.5), width: at(1024), height: at(768), sampler_name: at('dpmpp_2m'), clip_skip: at(1)
  })
]
const sets = (values, nodes) => fill(values, nodes).sets.map(({ id, widget, value }) => [id, widget, value])

test('texts go into the nodes that encode them, whatever lies between', () => {
  expect(sets({ prompt: 'a ship', negative_prompt: 'dark' }, VIDEO)).toEqual([[1, 'text', 'a ship'], [2, 'text', 'dark']])
})

test('the same text is not taken for its own negative', () => {
  const { sets: found, left } = fill({ prompt: 'a hen', negative_prompt: 'dark' }, FLUX)
  expect(found).toEqual([{ id: 1, widget: 'text', value: 'a hen' }])
  expect(left).toEqual(['negative_prompt'])
})

test('numbers stand in widgets of other names, and what is wired or unknown is left and said', () => {
  const values = {
    model: 'standard', mode: 'i2v', num_frames: 33, guidance_scale: 5, denoising_strength: 0.7, width: 512, output_format: 'gif',
    seed: 8, motion_score: 2, reference_strength: 0.5, steps: null
  }
  const { sets: found, filled, left } = fill(values, VIDEO)
  expect(found.map(({ id, widget, value }) => [id, widget, value])).toEqual([
    [3, 'length', 33], [4, 'cfg', 5], [4, 'denoise', 0.7], [4, 'seed', 8], [3, 'first_strength', 0.5]
  ])
  expect(filled).toEqual(['num_frames', 'guidance_scale', 'denoising_strength', 'seed', 'reference_strength'])
  expect(left).toEqual(['width', 'output_format', 'motion_score'])
})

test('a number outside what a widget takes is left', () => {
  expect(fill({ seed: -1, num_frames: 1000 }, VIDEO)).toEqual({ sets: [], filled: [], left: ['seed', 'num_frames'] })
})

test('a sampler brings its schedule where no settings node chooses it', () => {
  expect(sets({ sampler: 'DPM++ 2M Karras' }, VIDEO)).toEqual([[4, 'sampler_name', 'dpmpp_2m'], [4, 'scheduler', 'karras']])
  expect(sets({ sampler: 'DPM++ 2M Karras' }, FLUX)).toEqual([[6, 'sampler_name', 'dpmpp_2m']])
  expect(fill({ sampler: 'Heun' }, VIDEO).left).toEqual(['sampler'])
})

test('image workflows take their numbers in one node', () => {
  expect(sets({ guidance_scale: 4, steps: 20, width: 512, clip_skip: 2 }, FLUX)).toEqual([
    [6, 'cfg', 4], [6, 'steps', 20], [6, 'width', 512], [6, 'clip_skip', 2]
  ])
  expect(sets({ clip_skip: 2 }, [node(1, 'CLIPSetLastLayer', { stop_at_clip_layer: at(-1, { min: -24, max: -1 }) })]))
    .toEqual([[1, 'stop_at_clip_layer', -2]])
})

test('what is gathered fills in the same', () => {
  expect(gather('prompts', VIDEO, '')).toEqual({ prompt: 'a boat', negative_prompt: 'blurry' })
  const kept = gather('parameters', VIDEO, 'Standard I2V (2)')
  expect(kept).toEqual({
    model: 'standard', mode: 'i2v', steps: 30, guidance_scale: 6, num_frames: 81, first_strength: 0.85, denoising_strength: 1,
    output_format: 'mp4', fps: 16
  })
  for (const { id, widget, value } of fill(kept, VIDEO).sets) {
    expect(VIDEO.find((each) => each.id === id).widgets[widget].value).toBe(value)
  }
})

test('pictures: the words of the payload', () => {
  expect(gather('parameters', FLUX, 'Mine')).toEqual({
    steps: 25, guidance_scale: 3.5, width: 1024, height: 768, sampler: 'DPM++ 2M'
  })
  const pony = structuredClone(FLUX)
  pony[4].widgets.model.value = 'pony'
  expect(gather('parameters', pony, 'Pony T2I')).toEqual({
    model: 'pony', mode: 't2i', steps: 25, cfg_scale: 3.5, width: 1024, height: 768, sampler: 'DPM++ 2M Karras', clip_skip: 1
  })
})

test('an empty workflow has nothing to keep, and a loop in the wires ends', () => {
  expect(gather('prompts', [], '')).toEqual({})
  expect(gather('prompts', [node(1, 'A', {}, { positive: 2 }), node(2, 'B', {}, { x: 1 })], '')).toEqual({})
})

test('workflows by model and mode, and back', () => {
  expect(workflowOf({ model: 'anisora', mode: 'first_last_frame' })).toBe('AniSora FFLF')
  expect(workflowOf({ model: 'constructor', mode: 'name' })).toBe('')
  expect(workflowOf({})).toBe('')
  expect(aboutOf('Phr00t T2V')).toEqual({ model: 'phr00t', mode: 't2v' })
  expect(aboutOf('Finish Video')).toEqual({})
})

test('what cannot be undone has to be asked for twice in a row', () => {
  const shelf = new Shelf()
  const [a, b] = ['a', 'b'].map((name) => ({ kind: 'prompts', name }))
  expect([shelf.again('remove', a), shelf.again('remove', b), shelf.again('remove', a), shelf.again('keep', a)]).toEqual(Array(4).fill(false))
  expect([shelf.again('keep', a), shelf.again('keep', a)]).toEqual([true, false])
  shelf.take({ prompts: ['a'] })
  expect(shelf.again('keep', a)).toBe(false)
})

test('names are counted, and compared as careless file systems do', () => {
  const shelf = new Shelf()
  shelf.take({ prompts: ['Fox'], lora_sets: ['x', 'y'] })
  expect(shelf.count).toBe(3)
  expect(shelf.has({ kind: 'prompts', name: 'fox' })).toBe(true)
  expect(shelf.has({ kind: 'parameters', name: 'Fox' })).toBe(false)
  expect(keyOf({ kind: 'lora_sets', name: 'x' })).toBe('lora_sets/x')
  expect(fileName('prompts', '狐')).toBe('genga-prompts-狐.json')
})

test.each([['{"version": 1, "presets": []}', true], ['{"kind": "prompts", "name": "a", "values": {}}', true],
  ['{"nodes": []}', false], ['[1]', false], ['null', false], ['"presets"', false], ['{', false], ['', false]])('%s', (text, is) => {
  expect(documentIn(text) !== null).toBe(is)
})

test('fields that the host refuses are left out, if it is they that are wrong', () => {
  const values = { fps: 25, steps: 8 }
  expect(without(values, [{ pointer: '#/fps' }, { pointer: '#/name' }])).toEqual({ values: { steps: 8 }, faulty: ['fps'] })
  expect(without(values, [{ pointer: '#/name' }, {}])).toBeNull()
})

test('values are read as lines', () => {
  expect(lines({ steps: 4, files: { vae: 'a' }, high: [{ file: 'x.safetensors', strength: 0.5 }, { file: 'y', strength: 1 }], low: [] }))
    .toEqual([['steps', '4'], ['files', '{"vae":"a"}'], ['high', 'x.safetensors 0.5, y 1'], ['low', '']])
})
