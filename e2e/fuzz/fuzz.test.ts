import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Platform } from '../support/platform.ts'
import { pythonPrograms } from '../support/python-environment.ts'

/** FUZZ_SEED=random draws one; FUZZ_SEED=N repeats a run. In CI it is always the same, so that a change is what fails it. */
const seed = process.env.FUZZ_SEED === 'random' ? randomInt(2 ** 31) : Number(process.env.FUZZ_SEED ?? 1)

/** Requests of each kind for each operation. */
const examples = Number(process.env.FUZZ_EXAMPLES ?? 30)

const folder = fileURLToPath(new URL('.', import.meta.url))
let platform: Platform
let schemathesis: string
let users: string

before(async () => {
  schemathesis = join(await pythonPrograms(join(folder, 'schemathesis.txt')), 'schemathesis')
  // Hardly any capacity: nearly all of what is submitted waits.
  platform = await Platform.make('capacity: {cores: 1, memoryGb: 1}\nimages: {registries: []}\n')
  await platform.start()
  await platform.admin('user', 'add', 'bob', '--group', 'optics')
  const bob = await platform.admin('token', 'create', 'bob')
  users = join(platform.folder, 'users.json')
  const entry = (name: string, token: string) => ({
    name,
    fixedHeaders: [{ name: 'Authorization', value: `Bearer ${token}` }],
  })
  const auth = [entry('ada', platform.token), entry('bob', bob)]
  await writeFile(users, JSON.stringify({ auth }), { mode: 0o600 })
})
after(() => platform[Symbol.asyncDispose]())

/** Runs schemathesis over a document of the platform's; returns its exit code and all that it wrote. */
function run(document: string): Promise<{ code: number | null; report: string }> {
  const args = ['--no-color', '--config-file', 'schemathesis.toml', 'run', `${platform.url}${document}`]
  const child = spawn(schemathesis, [...args, `--seed=${seed}`, `--max-examples=${examples}`], {
    cwd: folder,
    env: { ...process.env, FUZZ_USERS: users, COLUMNS: '120', PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return new Promise((resolve, reject) => {
    let report = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        report += text
      })
    child.once('error', reject)
    child.once('close', (code) => {
      resolve({ code, report })
    })
  })
}

for (const document of ['/skaha/openapi.json', '/api/v1/openapi.json']) {
  test(`whatever is asked of ${document}, the answer is as it says`, async (t) => {
    t.diagnostic(`seed ${seed}; to repeat: FUZZ_SEED=${seed} npm run e2e -- e2e/fuzz/fuzz.test.ts`)
    const { code, report } = await run(document)
    assert.equal(code, 0, report)
    const [, generated = '0'] = /(\d+) generated, \1 passed/.exec(report) ?? []
    assert.ok(Number(generated) > 500, report)
    t.diagnostic(`${generated} requests`)
  })
}

test('nothing of it was too much: the server logged no fault, is ready, stops when it is asked to and starts again', async () => {
  assert.doesNotMatch(platform.log, /"level":(50|60)/)
  const answer = await platform.fetch('/readyz')
  assert.equal(answer.status, 200)
  assert.equal(await platform.stop(), 0)
  await platform.start()
})
