// The timeline's sentences: every language has all of them, with the same values inside.
import { expect, test } from 'vitest'
import { LANGUAGES } from '../../web/js/timeline/languages.js'
import { WORDS, speak, word } from '../../web/js/timeline/words.js'

const values = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort()

test.each(Object.keys(LANGUAGES))('%s is complete and not left in English', (locale) => {
  expect(Object.keys(LANGUAGES[locale]).sort()).toEqual(Object.keys(WORDS).sort())
  for (const [name, text] of Object.entries(LANGUAGES[locale])) {
    expect(values(text), name).toEqual(values(WORDS[name]))
    expect(text, name).not.toBe(WORDS[name])
  }
})

test('an unknown language is English', () => {
  speak('ja')
  expect(word('outside', { frame: 99, last: 80 })).toBe('フレーム 99 は動画の外です。最後は 80 です。')
  speak('fr')
  expect(word('add')).toBe('Add pictures')
})
