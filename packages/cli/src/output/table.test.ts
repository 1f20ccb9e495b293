import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { table, type Column } from './table.ts'

const layout: Column[] = [
  { title: 'ID' },
  { title: 'NAME', cut: 'end' },
  { title: 'EXIT', align: 'right', droppable: 2 },
  { title: 'IMAGE', cut: 'start', droppable: 1 },
]
const rows = [
  ['k3x9a0qz', 'a', '0', 'images.canfar.net/skaha/astroml:latest'],
  ['p8x9a0qz', 'a-rather-long-name-of-a-job', '137', 'localhost/x:1'],
]

test('columns are as wide as their cells, and long cells are cut at their less telling end', () => {
  assert.equal(
    table(layout, rows, 80),
    [
      'ID        NAME                         EXIT  IMAGE',
      'k3x9a0qz  a                               0  …es.canfar.net/skaha/astroml:latest',
      'p8x9a0qz  a-rather-long-name-of-a-job   137  localhost/x:1',
    ].join('\n'),
  )
})

test('columns are dropped when cutting is not enough; ids stay whole', () => {
  assert.equal(
    table(layout, rows, 50),
    [
      'ID        NAME              EXIT  IMAGE',
      'k3x9a0qz  a                    0  …/astroml:latest',
      'p8x9a0qz  a-rather-long-n…   137  localhost/x:1',
    ].join('\n'),
  )
  assert.equal(table(layout, rows, 20), ['ID        NAME', 'k3x9a0qz  a', 'p8x9a0qz  a-rather-…'].join('\n'))
})

test('no line is longer than a terminal that has room for the ids', () => {
  const cell = fc.string({ unit: 'grapheme-ascii', maxLength: 60 })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constant('k3x9a0qz'), cell, cell, cell), { minLength: 1 }),
      fc.integer({ min: 20, max: 200 }),
      (cells, width) => {
        for (const line of table(layout, cells, width).split('\n'))
          assert.ok(line.length <= width, `${line.length} > ${width}`)
      },
    ),
  )
})

test('colours do not change the width', () => {
  const painted = table(layout, rows, 80, (text, title) => (title === 'ID' ? `\u001b[1m${text}\u001b[0m` : text))
  assert.equal(painted.replaceAll('\u001b[1m', '').replaceAll('\u001b[0m', ''), table(layout, rows, 80))
})
