// The timeline's state without a page: run by test_state.py, or with `npx vitest run` in this folder.
import { describe, expect, test } from 'vitest'
import * as grid from '../../web/js/timeline/grid.js'
import * as state from '../../web/js/timeline/state.js'

const image = (name) => ({ name, subfolder: 'genga', type: 'input' })
const rules = (given) => ({ length: 81, snap: 'latent', hold: false, ends: false, wired: [], ...given })
const at = (...frames) => frames.map((frame, i) => ({ frame, image: image(`${i}.png`), strength: 1 }))
const frames = (keys) => keys.map((key) => key.frame)

describe('the value', () => {
  test('comes back as it was', () => {
    const keys = [{ ...at(40)[0], strength: 0.5, strength_low: 0.25, mask: image('m.png') }]
    expect(state.parse(state.serialise(keys))).toEqual({ keys })
    expect(state.serialise([])).toBe('{"version": 1, "keyframes": []}')
  })
  test.each(['', '  ', undefined, '{"version": 1, "keyframes": []}'])('%j is empty', (text) => {
    expect(state.parse(text)).toEqual({ keys: [] })
  })
  test.each(['{', '[]', 'null', '{"version": 1}', '{"version": 1, "keyframes": [{"frame": 1}]}'])(
    '%s is named, not taken for empty', (text) => expect(state.parse(text).say).toEqual(['unreadable']))
  test('of a newer pack is left alone', () => {
    expect(state.parse('{"version": 2, "keyframes": []}').say).toEqual(['newer', { version: '2' }])
  })
  test('left-out strengths are 1', () => {
    const text = '{"version": 1, "keyframes": [{"frame": -1, "image": {"name": "a.png"}}]}'
    expect(state.parse(text).keys).toEqual([{ frame: -1, image: { ...image('a.png'), subfolder: '' }, strength: 1 }])
  })
})

describe('snapping', () => {
  test('rounds half to even and keeps the last frame', () => {
    const snap = (snap, length, list) => list.map((frame) => grid.snapFrame(frame, length, snap))
    expect(snap('anisora', 81, [20, 60, 12, 4, 80])).toEqual([16, 64, 16, 0, 80])
    expect(snap('latent', 81, [2, 6, 41, 79, 80])).toEqual([0, 8, 40, 80, 80])
    expect(snap('anisora', 77, [76, 75, 53])).toEqual([76, 72, 56])
    expect(snap('none', 81, [1, 37])).toEqual([1, 37])
  })
  test('counts from the end, and takes the length for the last frame', () => {
    expect([-1, -81, 81, 82, -82, 0.5].map((i) => grid.resolveIndex(i, 81))).toEqual([80, 0, 80, null, null, null])
  })
  test('lengths are 4n + 1', () => {
    expect([1, 2, 16, 81, 82, 0].map(grid.roundLength)).toEqual([1, 5, 17, 81, 85, 1])
  })
})

describe('adding', () => {
  test('fills the ends, then the widest gap', () => {
    let keys = []
    for (let i = 0; i < 5; i += 1) keys = state.add(keys, image(`${i}.png`), rules()).keys
    expect(frames(keys)).toEqual([0, 20, 40, 60, 80])
  })
  test('one picture lands where it is dropped, or beside', () => {
    expect(state.add(at(40), image('x'), rules(), 57).keys[1].frame).toBe(56)
    expect(frames(state.add(at(40), image('x'), rules(), 40).keys)).toEqual([36, 40])
  })
  test('several are spread over an empty strip', () => {
    expect(frames(state.addAll([], ['a', 'b', 'c'].map(image), rules(), 3).keys)).toEqual([0, 40, 80])
    expect(frames(state.addAll(at(0), ['a', 'b'].map(image), rules(), 20).keys)).toEqual([0, 20, 80])
    expect(state.addAll([], ['a', 'b', 'c'].map(image), rules({ length: 5 })).say).toEqual(['notAllFit', { left: 1, count: 3 }])
  })
  test('keeps clear of wired keyframes, and says when all is taken', () => {
    expect(state.add([], image('a'), rules({ wired: [0, 80] })).keys[0].frame).toBe(40)
    expect(state.add(at(0), image('a'), rules({ length: 1 })).say).toEqual(['full'])
  })
})

describe('moving', () => {
  test('a drag lands on the grid and keeps the order of time', () => {
    const edit = state.move(at(0, 40, 80), 0, 57, rules())
    expect(frames(edit.keys)).toEqual([40, 56, 80])
    expect(edit.selected).toBe(1)
  })
  test('two on one frame are refused with a reason', () => {
    const keys = at(0, 40)
    expect(state.move(keys, 0, 41, rules())).toEqual({ keys, selected: 0, say: ['taken', { frame: 40 }] })
    expect(state.setFrame(keys, 0, 42, rules()).say).toEqual(['taken', { frame: 40 }])
  })
  test('held pictures own four frames', () => {
    const held = rules({ hold: true, snap: 'none' })
    expect(state.setFrame(at(0, 40), 0, 38, held).say).toEqual(['heldTaken', { first: 37, last: 40 }])
    expect(state.setFrame(at(0, 40), 0, 36, held).say).toBeUndefined()
  })
  test('a typed frame is kept as written, and the used one is said', () => {
    const edit = state.setFrame(at(0), 0, 20, rules({ snap: 'anisora' }))
    expect(edit.keys[0].frame).toBe(20)
    expect(edit.say).toEqual(['snapped', { frame: 20, actual: 16 }])
    expect(state.setFrame(at(0), 0, -1, rules()).keys[0].frame).toBe(-1)
    expect(state.setFrame(at(0), 0, 99, rules()).say).toEqual(['outside', { frame: 99, last: 80 }])
  })
  test('steps go over taken frames and stop at the ends', () => {
    expect(frames(state.step(at(36, 40), 0, 1, rules()).keys)).toEqual([40, 44])
    expect(state.step(at(80), 0, 1, rules()).keys[0].frame).toBe(80)
    expect(state.step(at(76), 0, -1, rules({ length: 77, snap: 'anisora' })).keys[0].frame).toBe(72)
  })
  test('the two-slot node knows its ends only', () => {
    const ends = rules({ ends: true })
    expect(frames(state.addAll([], ['a', 'b'].map(image), ends).keys)).toEqual([0, -1])
    expect(state.setFrame(at(0), 0, 40, ends).say).toEqual(['notAnEnd', { frame: 40 }])
    expect(state.step(at(0), 0, 1, ends).keys[0].frame).toBe(-1)
  })
})

describe('one key', () => {
  test('takes strengths between 0 and 1, in hundredths', () => {
    expect(state.change(at(0), 0, { strength: 0.456 }).keys[0].strength).toBe(0.46)
    expect(state.change(at(0), 0, { strength_low: 3 }).keys[0].strength_low).toBe(1)
  })
  test('loses what is set to undefined', () => {
    const keys = [{ ...at(0)[0], strength_low: 0.5, mask: image('m') }]
    expect(state.change(keys, 0, { strength_low: undefined, mask: undefined }).keys).toEqual(at(0))
  })
  test('is copied to the next free frame, and removed', () => {
    const copied = state.duplicate(at(0, 4, 80), 0, rules())
    expect(frames(copied.keys)).toEqual([0, 4, 8, 80])
    expect(copied.keys[2].image.name).toBe('0.png')
    expect(state.remove(at(0, 4), 1)).toEqual({ keys: at(0), selected: 0 })
  })
})

describe('another length', () => {
  test('shows what falls outside', () => {
    expect([...state.problems(at(0, 40, 80), rules({ length: 41 })).keys()]).toEqual([2])
    expect(state.problems(at(0, 80), rules()).size).toBe(0)
  })
  test('rescales, and says so', () => {
    const edit = state.rescale(at(0, 40, -1), 81, rules({ length: 161 }))
    expect(frames(edit.keys)).toEqual([0, 80, -1])
    expect(edit.say).toEqual(['rescaled', { from: 81, length: 161 }])
  })
  test('refuses where pictures would meet', () => {
    const keys = at(0, 4, 8)
    expect(state.rescale(keys, 81, rules({ length: 9 }))).toEqual({ keys, selected: -1, say: ['noRescale', { length: 9 }] })
  })
  test('clips, and says how many', () => {
    const edit = state.clip(at(0, 40, 80), rules({ length: 41 }))
    expect(frames(edit.keys)).toEqual([0, 40])
    expect(edit.say).toEqual(['clipped', { count: 1, last: 40 }])
  })
})

test('no edit changes what it was given', () => {
  const keys = Object.freeze(at(0, 40).map((key) => Object.freeze(key)))
  state.move(keys, 0, 20, rules()); state.change(keys, 0, { strength: 0 }); state.remove(keys, 0)
  state.duplicate(keys, 0, rules()); state.rescale(keys, 81, rules({ length: 41 }))
  expect(frames(keys)).toEqual([0, 40])
})
