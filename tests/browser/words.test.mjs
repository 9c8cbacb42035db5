// The sentences of the page: their names, their values, and what is said where a language has none.
import { afterEach, expect, test } from 'vitest'
import { ENGLISH } from '../../web/js/english.js'
import { sentences, teach } from '../../web/js/words.js'
import japanese from '../../locales/ja/main.json'

afterEach(() => teach(undefined))

test('a language is spoken with values in their places', () => {
  teach(japanese.genga)
  expect(sentences('timeline')('outside', { frame: 99, last: 80 })).toBe('フレーム 99 は動画の外です。最後は 80 です。')
  expect(sentences('modes')('into', { folder: 'models/vae' })).toBe('入れる場所: models/vae')
})

test.each([[undefined], [null], ['text'], [{}], [{ timeline: { add: 3 } }]])('%j is English', (texts) => {
  teach(texts)
  expect(sentences('timeline')('add')).toBe('Add pictures')
})

test('a value that is not given keeps its place', () => {
  expect(sentences('windows')('seconds')).toBe('{seconds} s')
  expect(sentences('windows')('seconds', { seconds: 0 })).toBe('0 s')
})

test('every sentence that the scripts ask for is there', async () => {
  const scripts = import.meta.glob('../../web/js/*/*.js', { query: '?raw', import: 'default', eager: true })
  const asked = Object.entries(scripts).flatMap(([path, text]) => (
    [...text.matchAll(/\bword\("(\w+)"/g)].map(([, name]) => [path.split('/').at(-2), name])))
  expect(asked.length).toBeGreaterThan(50)
  expect(asked.filter(([part, name]) => !ENGLISH[part]?.[name])).toEqual([])
})

test('no sentence stands in a script itself', () => {
  const sentence = /["`](?:[A-Z][a-z]+ [a-z]+|[a-z]+ [a-z]+ [a-z]+ )[^"`]*["`]/
  expect('say("Reading the file ...")').toMatch(sentence)
  const scripts = import.meta.glob('../../web/js/**/*.js', { query: '?raw', import: 'default', eager: true })
  const said = Object.entries(scripts).filter(([path]) => !/\/(english|presets\/fields)\.js$/.test(path)).flatMap(([path, text]) => (
    text.split('\n').filter((line) => !/^\s*(\/\/|\/?\*)/.test(line) && sentence.test(line)).map((line) => `${path}: ${line}`)))
  expect(said).toEqual([])
})
