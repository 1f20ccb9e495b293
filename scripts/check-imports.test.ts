import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { importComplaints } from './check-imports.ts'

async function checkout(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'imports-'))
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), text)
  }
  return root
}

test('reports imports that the table forbids, imports of drivers, and cycles', async () => {
  const source = 'packages/server/src'
  const root = await checkout({
    [`${source}/job/job.ts`]: `import type { Store } from '../store/store.ts'\nexport type Job = Store`,
    [`${source}/store/store.ts`]: `export type Store = string`,
    [`${source}/store/sqlite/open.ts`]: `export const open = 1`,
    [`${source}/scheduler/loop.ts`]: `import { open } from '../store/sqlite/open.ts'\nimport type { Store } from '../store/store.ts'`,
    [`${source}/scheduler/loop.test.ts`]: `import { open } from '../store/sqlite/open.ts'`,
    [`${source}/lib/a.ts`]: `import type { B } from './b.ts'\nexport type A = B`,
    [`${source}/lib/b.ts`]: `import type { A } from './a.ts'\nexport type B = A`,
  })
  assert.deepEqual(importComplaints(root).toSorted(), [
    `${source}/job/job.ts imports ${source}/store/store.ts: job/ may import lib, not store/`,
    `${source}/lib/a.ts → ${source}/lib/b.ts → ${source}/lib/a.ts: import cycle`,
    `${source}/scheduler/loop.ts imports ${source}/store/sqlite/open.ts: only the port of store/ may be imported`,
  ])
  await rm(root, { recursive: true })
})
