import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const repository = fileURLToPath(new URL('../../..', import.meta.url))
const read = (path: string): string => readFileSync(join(repository, path), 'utf8')

/** The titles of the tests that every executor passes. */
const titles = readdirSync(join(repository, 'packages/server/src/executor'))
  .filter((file) => file.endsWith('-contract.ts'))
  .flatMap((file) =>
    [...read(`packages/server/src/executor/${file}`).matchAll(/\bit\('([^']+)'/g)].map(([, title = '']) => title),
  )

/** The cells of a table row; a vertical line in a cell has a backslash. */
const cellsOf = (row: string): string[] => row.split(/(?<!\\)\|/).slice(1, -1)

/** Fails unless a cell names tests, and each of them is there. Paths are below `base` where they are not below the repository. */
function assertTests(cell: string, base: string): void {
  const named = [...cell.matchAll(/\*([^*]+)\*/g)].map(([, title = '']) => title)
  const paths = [...cell.matchAll(/`([^`]+\.ts)`/g)].map(([, path = '']) => path)
  assert.ok(named.length + paths.length > 0, `no test is named: ${cell}`)
  for (const title of named)
    assert.ok(
      titles.some((known) => known.startsWith(title)),
      `no contract test: ${title}`,
    )
  for (const path of paths)
    assert.ok(
      [base, ''].some((below) => existsSync(join(repository, below, path))),
      `${path} is not there`,
    )
}

test('docs/environment.md names a test that is there for each of its lines', () => {
  const rows = read('docs/environment.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| property'))
  assert.ok(rows.length > 25)
  for (const row of rows) assertTests(cellsOf(row).at(-1) ?? '', '')
})

test('docs/troubleshooting.md has each case once, in order, and the tests that it names are there', () => {
  const [, table = ''] = read('docs/troubleshooting.md').split('| number | case | test |\n|---|---|---|\n')
  const rows = table.split('\n').filter((line) => line.startsWith('| '))
  const numbers = rows.map((row) => Number(cellsOf(row)[0]))
  assert.ok(numbers.length > 40 && numbers.every((number) => number >= 1 && number <= 47), numbers.join(' '))
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].toSorted((a, b) => a - b),
  )
  for (const row of rows) {
    // `a/file.test.ts` (*the beginning of a title*, *another*), `b/file.test.ts`
    const named = [...(cellsOf(row)[2] ?? '').matchAll(/`([^`]+\.ts)`(?: \(([^)]*)\))?/g)]
    assert.ok(named.length > 0, `no test is named: ${row}`)
    for (const [, path = '', note = ''] of named) {
      const file = ['packages/server/src', '']
        .map((below) => join(below, path))
        .find((place) => existsSync(join(repository, place)))
      assert.ok(file !== undefined, `${path} is not there`)
      for (const [, title = ''] of note.matchAll(/\*([^*]+)\*/g))
        for (const part of title.split(' … ')) assert.ok(read(file).includes(part), `${path} has no test: ${title}`)
    }
  }
})
