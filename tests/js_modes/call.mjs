// Calls functions of one of the pack's modules that import nothing: node call.mjs <module.js> < [[name, args], ...]
// Prints their results as JSON.
import { readFileSync } from 'node:fs'

// As data, because the pack's .js files are modules for the page, and Node would need a package.json to know that.
const source = readFileSync(process.argv[2], 'utf8')
const module = await import('data:text/javascript,' + encodeURIComponent(source))
const calls = JSON.parse(readFileSync(0, 'utf8'))
console.log(JSON.stringify(calls.map(([name, args]) => (
  typeof module[name] === 'function' ? module[name](...args) : module[name]) ?? null)))
