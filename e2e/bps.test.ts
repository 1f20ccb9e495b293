import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { onlyInAll } from './support/all.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))
const python = join(repository, 'python')

// Its environment has 500 MB, and the image of its workers as much.
test("Rubin's Batch Production Service runs a workflow on the platform", { skip: onlyInAll }, async () => {
  const { stdout } = await promisify(execFile)(join(repository, 'scripts/python-environment'), [
    join(python, 'parsl/bps/bps.txt'),
  ])
  const sources = ['client', 'parsl', 'testing'].map((name) => join(python, name, 'src'))
  const options = ['--import-mode=importlib', '--timeout=600', '-p', 'no:cacheprovider']
  const pytest = spawn(
    join(stdout.trim(), 'bin/python'),
    ['-m', 'pytest', '-c', '/dev/null', '--rootdir', 'bps', ...options, 'bps'],
    { cwd: join(python, 'parsl'), env: { ...process.env, PYTHONPATH: sources.join(':') }, stdio: 'inherit' },
  )
  await once(pytest, 'exit')
  assert.equal(pytest.exitCode, 0)
})
