// Which window begins which section, and what goes on from before: web/js/windows/slots.js.
import { expect, test } from 'vitest'
import { sectionOf } from '../../web/js/windows/plan.js'
import { held, slotsOf, startOf } from '../../web/js/windows/slots.js'

test('a change in a window is its own only where its section begins', () => {
  expect(slotsOf([-1, 0, 0, 2])).toEqual([
    { section: -1, own: false }, { section: 0, own: true }, { section: 0, own: false }, { section: 2, own: true }
  ])
  expect(slotsOf([0])).toEqual([{ section: 0, own: true }])
})

test.each([16, 23.976, 24, 25, 29.97, 30, 60])('a section made for a window begins with that window at %f fps', (fps) => {
  const windows = Array.from({ length: 60 }, (_, index) => ({ index, start: index ? 72 * index + 9 : 0 }))
  for (const { index, start } of windows) {
    const inForce = sectionOf([startOf(start, fps)], windows, fps)
    expect(slotsOf(inForce)[index]).toEqual({ section: 0, own: true })
  }
})

test('what a section leaves out goes on as before it', () => {
  expect(held(['a', '', 'b'], 1)).toBe('a')
  expect(held(['a', '', 'b'], 2)).toBe('b')
  expect(held(['', 'b'], 0)).toBe('')
  expect(held(['a'], -1)).toBe('')
})
