import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { it } from 'node:test'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../..', import.meta.url))

it('docs/security.md names a test that is there for each of its promises', async () => {
  const page = await readFile(join(repository, 'docs/security.md'), 'utf8')
  const [, table = ''] = /\n\| Promise \| Shown by \|\n\|---\|---\|\n((?:\|.*\n)+)/.exec(page) ?? []
  const rows = table.trim().split('\n')
  assert.ok(rows.length > 15)
  for (const row of rows) {
    const tests = [...row.matchAll(/`([^`]+\.test\.ts)`/g)].map(([, path = '']) => path)
    assert.ok(tests.length > 0, `no test is named: ${row}`)
    for (const path of tests) assert.ok(existsSync(join(repository, path)), `${path} is not there: ${row}`)
  }
})
