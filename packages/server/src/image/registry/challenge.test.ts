import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readChallenges, type Challenge } from './challenge.ts'

const basic = { scheme: 'basic' } as const
const bearer = { scheme: 'bearer', realm: 'https://r.test/token', service: 'r', scope: 'repository:a/b:pull' } as const
const text = 'Bearer realm="https://r.test/token",service="r",scope="repository:a/b:pull"'

const table: readonly (readonly [string, string | undefined, readonly Challenge[]])[] = [
  ['none', undefined, []],
  ['an empty header', '', []],
  ['one of each', text, [bearer]],
  ['Basic alone', 'Basic', [basic]],
  ['Basic with a realm and a character set', 'Basic realm="a, b", charset="UTF-8"', [basic]],
  ["two headers, as Gitea's (joined by a comma)", `${text}, Basic realm="Gitea Package API"`, [bearer, basic]],
  ['two headers in the other order', `Basic realm="Gitea", ${text}`, [basic, bearer]],
  ['values without quotation marks', 'Bearer realm=https://r.test/token,service=r,scope=repository:a/b:pull', [bearer]],
  [
    'blanks around = and commas',
    'bearer  realm = "https://r.test/token" ,, service= "r" , scope ="repository:a/b:pull",',
    [bearer],
  ],
  ['another scheme with a token68 before it', `Negotiate YWJj==, ${text}`, [bearer]],
  ['another scheme without parameters', `Negotiate, ${text}, NTLM`, [bearer]],
  ['another scheme with a realm of its own', `Digest realm="x", nonce="y", ${text}`, [bearer]],
  [
    'a comma and an equals sign in a quoted scope',
    'Bearer realm="https://r.test/t",scope="a:b:pull,push c=d"',
    [{ scheme: 'bearer', realm: 'https://r.test/t', scope: 'a:b:pull,push c=d' }],
  ],
  [
    'escaped characters',
    String.raw`Bearer realm="https://r.test/t",service="a \"b\" \\"`,
    [{ scheme: 'bearer', realm: 'https://r.test/t', service: 'a "b" \\' }],
  ],
  ['names in capitals', 'BEARER Realm="https://r.test/t"', [{ scheme: 'bearer', realm: 'https://r.test/t' }]],
  [
    'a parameter twice',
    'Bearer realm="https://r.test/t",realm="https://evil.test/t"',
    [{ scheme: 'bearer', realm: 'https://r.test/t' }],
  ],
  ['Bearer without a realm', 'Bearer service="r", Basic realm="x"', [basic]],
  ['a scheme that only ends like one', 'NotBasic realm="x", XBearer realm="y"', []],
  ['a quoted scheme', 'Other x="Basic, Bearer realm=\\"y\\""', []],
  [
    'a quotation mark that is not closed',
    'Bearer realm="https://r.test/t',
    [{ scheme: 'bearer', realm: 'https://r.test/t' }],
  ],
]

for (const [name, header, wanted] of table)
  test(`WWW-Authenticate with ${name} is read`, () => {
    assert.deepEqual(readChallenges(header), wanted)
  })

test('any header is read to its end, in time that grows with its length', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'Bearer realm="\\, =\t/~Basic'), maxLength: 200 }), (header) => {
      for (const { scheme } of readChallenges(header)) assert.ok(scheme === 'basic' || scheme === 'bearer')
    }),
  )
  assert.equal(readChallenges(`${' ,'.repeat(8_000)}Basic`).length, 1)
  assert.equal(readChallenges(`Bearer ${'a='.repeat(8_000)}`).length, 0)
})

const value = fc.string({ unit: fc.constantFrom(...'az09:/, =."\\'), minLength: 1, maxLength: 12 })
const quoted = (each: string): string => `"${each.replaceAll(/["\\]/g, String.raw`\$&`)}"`

test('what is written by the grammar is read back', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.record({ realm: value, service: value }))), (challenges) => {
      const header = challenges
        .map((each) =>
          each === null ? 'Basic realm="x"' : `Bearer realm=${quoted(each.realm)}, service=${quoted(each.service)}`,
        )
        .join(', ')
      assert.deepEqual(
        readChallenges(header),
        challenges.map((each) => (each === null ? basic : { scheme: 'bearer', ...each })),
      )
    }),
  )
})
