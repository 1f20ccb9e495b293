import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'oxc-parser'
import { processorMs } from './lib/processor-time.ts'

const packages = fileURLToPath(new URL('../..', import.meta.url))

/** Where what somebody sends is held against patterns. */
const folders = ['contract/src', 'server/src/http', 'server/src/job', 'server/src/access', 'server/src/scheduler']

interface Found {
  readonly where: string
  readonly pattern: RegExp
}

/** Every regular expression that is written in a source. */
function literalsIn(file: string): Found[] {
  const found: Found[] = []
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) for (const each of node) visit(each)
    if (typeof node !== 'object' || node === null || Array.isArray(node)) return
    const { regex, ...parts } = node as { regex?: { pattern: string; flags: string } }
    if (regex !== undefined)
      found.push({ where: relative(packages, file), pattern: new RegExp(regex.pattern, regex.flags) })
    for (const part of Object.values(parts)) visit(part)
  }
  visit(parseSync(file, readFileSync(file, 'utf8')).program)
  return found
}

/** Every `pattern` of the schemas in an OpenAPI document. */
function patternsIn(document: string): Found[] {
  const found: Found[] = []
  JSON.parse(readFileSync(`${packages}/contract/${document}`, 'utf8'), (key, value: unknown) => {
    if (key === 'pattern' && typeof value === 'string') found.push({ where: document, pattern: new RegExp(value, 'u') })
    return value
  })
  return found
}

const found = [
  ...folders
    .flatMap((folder) => globSync(`${packages}/${folder}/**/*.ts`))
    .filter((file) => !/\.test\.ts$|\/testing\//.test(file))
    .flatMap(literalsIn),
  ...patternsIn('openapi.json'),
  ...patternsIn('skaha-openapi.json'),
]

const length = 100_000

/** What makes patterns go back again and again: much of one thing, and at the end something that does not fit. */
const pumps = [
  'a',
  'A',
  '0',
  ' ',
  '\t',
  '-',
  '_',
  '.',
  ',',
  ':',
  '=',
  '/',
  '\\',
  '"',
  "'",
  '(',
  '@',
  '+',
  '%',
  '\n',
  '\r',
  '$',
]
const pairs = ['a:', '=a', 'a=', 'a,', ' a', 'a.', 'a-', '0.', '"a', '\\a', '\r\n', '/a', 'a@', '[a', '-0']
const strings = [...pumps, ...pairs].flatMap((pump) =>
  ['', '\0', 'a', '\n', '!'].map((end) => pump.repeat(length / pump.length) + end),
)

describe('a pattern that a request is held against', () => {
  it('takes a time that grows with the length of what it looks at, and no more', () => {
    assert.ok(found.length > 40, `${found.length} patterns`)
    const slow = new Set<string>()
    for (const { where, pattern } of found) {
      for (const text of strings) {
        // `replace` finds all, `exec` the first.
        const taken = processorMs(() => (pattern.global ? text.replace(pattern, '') : pattern.exec(text)))
        // Thousandths of a second where it is linear; several seconds where it is the square of the length.
        if (taken > 1_500) {
          slow.add(`${where}: ${String(pattern)} on ${JSON.stringify(text.slice(0, 4))}…`)
          break
        }
      }
    }
    assert.deepEqual([...slow], [])
  })
})
