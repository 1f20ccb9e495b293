import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { helpText, pbsPrograms } from './help.ts'
import { letters } from './qsub-options.ts'
import { imageVariable } from './request.ts'

const page = await readFile(new URL('../../../../docs/pbs.md', import.meta.url), 'utf8')

test('docs/pbs.md has every option of qsub in its table', () => {
  const [, table = ''] = /^## Options of qsub\n([^]*?)^## /m.exec(page) ?? []
  for (const letter of Object.keys(letters)) assert.match(table, new RegExp(`\`-${letter}[\` ]`), letter)
  assert.ok(page.includes(imageVariable))
})

test('the help of each program fits 80 columns and ends with an example of it', () => {
  for (const program of pbsPrograms) {
    const lines = helpText(program).split('\n')
    for (const line of lines) assert.ok(line.length <= 80, line)
    assert.match(lines.at(-1) ?? '', new RegExp(`^  .*\\b${program}\\b`))
  }
})
