import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PrefixedLines } from './prefixed-lines.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

test('whole lines have the prefix, wherever chunks end, and keep bytes of any kind', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '\n', '\u00ff') }), fc.array(fc.nat(5)), (output, cuts) => {
      const lines = new PrefixedLines('j | ')
      let printed = ''
      let rest = Buffer.from(output, 'latin1')
      for (const cut of [...cuts, rest.length]) {
        printed += text(lines.take(rest.subarray(0, cut)))
        rest = rest.subarray(cut)
      }
      printed += text(lines.end())
      const wanted = output.split('\n')
      if (wanted.at(-1) === '') wanted.pop()
      assert.equal(printed, wanted.map((line) => `j | ${line}\n`).join(''))
    }),
  )
})

test('of a progress bar the newest state is printed when asked for, and the last at its end', () => {
  const lines = new PrefixedLines('j | ')
  assert.equal(text(lines.take(Buffer.from('\r 10%\r 20%\r 30%'))), '')
  assert.ok(lines.hasState)
  assert.equal(text(lines.state()), 'j |  30%\n')
  assert.ok(!lines.hasState)
  assert.equal(text(lines.state()), '')
  assert.equal(text(lines.take(Buffer.from('\r 40%\r'))), '')
  assert.equal(text(lines.state()), 'j |  40%\n')
  assert.equal(text(lines.take(Buffer.from('\n'))), '', 'its last state was printed')
  assert.equal(text(lines.take(Buffer.from('\r100%\ndone\r\nand'))), 'j | 100%\nj | done\n')
  assert.ok(!lines.hasState, 'a line that is not redrawn waits for its end')
  assert.equal(text(lines.take(Buffer.from(' more\r'))), '')
  assert.equal(text(lines.take(Buffer.from('\n'))), 'j | and more\n')
  assert.equal(text(lines.end()), '')
})

test('what never ends a line is printed in pieces, and held in bounded memory', () => {
  const lines = new PrefixedLines('')
  let printed = 0
  for (let i = 0; i < 100; i++) printed += lines.take(Buffer.alloc(10_000, 'x')).length
  assert.equal(printed, 15 * (65_536 + 1))
  assert.equal(lines.end().length, 1_000_000 - 15 * 65_536 + 1)
})

test('many redraws without a line end take no more than the last of them', () => {
  const lines = new PrefixedLines('')
  for (let i = 0; i < 50_000; i++) assert.equal(lines.take(Buffer.from(`\r${i}`)).length, 0)
  assert.equal(text(lines.end()), '49999\n')
})
