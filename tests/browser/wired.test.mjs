// Which wired keyframes the timeline can take over: web/js/timeline/wired.js.
import { expect, test } from 'vitest'
import { hasAlpha, judge, readsSame } from '../../web/js/timeline/wired.js'

const image = { name: 'a.png', subfolder: '', type: 'input' }
const facts = (given) => ({ index: 40, strength: 0.5, low: -1, noise: 0, image, mask: '', shared: false, ...given })
const free = () => undefined

test('a picture of a file, its frame as written and its strengths', () => {
  expect(judge(facts({ index: -1 }), free)).toEqual({ key: { frame: -1, image, strength: 0.5 } })
  expect(judge(facts({ low: 0.25 }), free).key.strength_low).toBe(0.25)
  expect(judge(facts({ low: 0.5 }), free).key).not.toHaveProperty('strength_low')
  expect(judge(facts({ mask: image }), free).key.mask).toBe(image)
})

test.each([
  [{ image: null }, 'leftImage'], [{ strength: undefined }, 'leftValue'], [{ index: undefined }, 'leftValue'],
  [{ low: undefined }, 'leftValue'], [{ noise: 0.1 }, 'leftNoise'], [{ noise: undefined }, 'leftNoise'],
  [{ mask: 'other' }, 'leftMask'], [{ shared: true }, 'leftShared']
])('%j stays wired, and says why', (given, why) => expect(judge(facts(given), free).why[0]).toBe(why))

test('a frame that the timeline has already stays wired', () => {
  expect(judge(facts(), (frame) => ['taken', { frame }])).toEqual({ why: ['taken', { frame: 40 }] })
})

test('a mask file is taken where the timeline reads it as the host does', () => {
  expect(readsSame('alpha', true, false)).toBe(true)
  expect(readsSame('alpha', false, true)).toBe(false) // the host makes an empty mask of it
  expect(readsSame('red', false, true)).toBe(true)
  expect(readsSame('red', false, false)).toBe(false)
  expect(readsSame('red', true, true)).toBe(false)
})

test('transparency is read off the head of a file', () => {
  const png = (type) => Uint8Array.from([0x89, 0x50, 0x4e, 0x47, ...Array(21).fill(0), type])
  expect([0, 2, 3, 4, 6].map((type) => hasAlpha(png(type)))).toEqual([false, false, null, true, true])
  expect(hasAlpha(Uint8Array.from([0xff, 0xd8, 0xff]))).toBe(false)
  expect(hasAlpha(Uint8Array.from([0x52, 0x49, 0x46, 0x46]))).toBe(null)
})
