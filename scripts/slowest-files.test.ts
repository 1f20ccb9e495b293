import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { slowestLines } from './slowest-files.ts'

test('the ten slowest files are printed, the slowest first', () => {
  const times = Array.from({ length: 12 }, (_, i) => ({ file: `${i}.test.ts`, seconds: (i * 5) % 12 }))
  const lines = slowestLines(times)
  assert.equal(lines.length, 10)
  assert.deepEqual(lines.slice(0, 2), ['   11.0 s  7.test.ts', '   10.0 s  2.test.ts'])
})

test('node reports the duration of each file, also where its tests fail', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slowest-files-'))
  try {
    writeFileSync(join(folder, 'good.test.mjs'), "import { test } from 'node:test'\ntest('good', () => {})\n")
    writeFileSync(join(folder, 'bad.test.mjs'), "import { test } from 'node:test'\ntest('bad', () => { throw 1 })\n")
    const reporter = fileURLToPath(new URL('slowest-files.ts', import.meta.url))
    const log = join(folder, 'times')
    // A test process that inherits NODE_TEST_CONTEXT reports to the run that set it.
    const env = { ...process.env, TEST_TIMES: log, NODE_TEST_CONTEXT: undefined }
    const printed = (() => {
      try {
        return execFileSync(process.execPath, ['--test', `--test-reporter=${reporter}`, '*.test.mjs'], {
          cwd: folder,
          env,
          encoding: 'utf8',
        })
      } catch (error) {
        return (error as { stdout: string }).stdout
      }
    })()
    assert.match(printed, /The slowest test files:\n( +\d+\.\d s {2}(good|bad)\.test\.mjs\n){2}/)
    assert.match(readFileSync(log, 'utf8'), /^( +\d+\.\d s {2}(good|bad)\.test\.mjs\n){2}$/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
