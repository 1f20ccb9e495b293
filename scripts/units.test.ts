import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const root = new URL('..', import.meta.url)

test('memory has the unit GiB, and no source or document writes GB', () => {
  const files = globSync(['packages/*/src/**/*.ts', 'docs/**/*.md', 'README.md'], { cwd: root.pathname })
  assert.ok(files.length > 300, `found ${files.length} files only`)
  const lines = files.flatMap((file) =>
    readFileSync(new URL(file, root), 'utf8')
      .split('\n')
      .flatMap((line, index) => (/\bGB\b/.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  )
  assert.deepEqual(lines, [])
})
