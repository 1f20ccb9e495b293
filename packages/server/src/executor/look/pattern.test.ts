import assert from 'node:assert/strict'
import { it } from 'node:test'
import { InvalidRequest } from '../../job/invalid.ts'
import { parsePattern } from './pattern.ts'

it('reads names, patterns and any depth of folders', () => {
  assert.deepEqual(parsePattern('//arc/./home/a b/'), ['=arc', '=home', '=a b'])
  assert.deepEqual(parsePattern('/arc/a\\*\\\\b[c'), ['=arc', '=a*\\b[c'])
  assert.deepEqual(parsePattern('/arc/**/**/x'), ['=arc', '**', '=x'])
  const [, stars = '', any = ''] = parsePattern('/arc/*a**b*/?[!0-9]')
  assert.equal(stars, '~\\A(?!\\.)(?>.*?\\x61)(?>.*?\\x62).*\\z')
  assert.match(any, /^~\\A\(\?!\\\.\)\(\?>.*\(\?!\(\?>\[\\x30-\\x39\]\)\)/)
})

it('refuses what is no pattern for paths below /arc, and names the field', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['*.fits', /no path below \/arc/],
    ['/archive/*', /no path below \/arc/],
    ['/etc/*', /no path below \/arc/],
    ['/arc/../etc/*', /contains \.\./],
    ['/arc/\0', /NUL byte/],
    ['/arc/a\\', /ends in a backslash/],
    ['/arc/[z-a]', /z-a is no range/],
    ['/arc/[a-é]', /a-é is no range/],
    ['/arc/[[:digit:]]', /set contains \[/],
    ['/arc/**/a/**', /\*\* more than once/],
    [`/arc/${'é'.repeat(2100)}`, /more than 4095 bytes/],
  ]
  for (const [pattern, message] of refused)
    assert.throws(
      () => parsePattern(pattern),
      (error) =>
        error instanceof InvalidRequest && error.field === 'glob' && message.test(error.message) && error.hint !== '',
      pattern,
    )
})
