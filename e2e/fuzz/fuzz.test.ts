import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Platform } from '../support/platform.ts'
import { pythonPrograms } from '../support/python-environment.ts'

/** FUZZ_SEED=random draws a seed; FUZZ_SEED=N repeats a run. CI uses a fixed seed, so that only a change can fail it. */
const seed = process.env.FUZZ_SEED === 'random' ? randomInt(2 ** 31) : Number(process.env.FUZZ_SEED ?? 1)

/** Requests of each kind for each operation. */
const examples = Number(process.env.FUZZ_EXAMPLES ?? 30)

/** Rate limits above those of users, for the many requests. */
const plenty = '{burst: 1000000000, perSecond: 1000000}'

const folder = fileURLToPath(new URL('.', import.meta.url))
let platform: Platform
let schemathesis: string
/** Tokens by role: a user besides another one, and an administrator. */
const users = { user: '', administrator: '' }
/** Names of users and tokens that the requests must not disable or revoke. */
let own: readonly string[]

before(async () => {
  schemathesis = join(await pythonPrograms(join(folder, 'schemathesis.txt')), 'schemathesis')
  // Little capacity, so that nearly all submitted jobs wait.
  platform = await Platform.make(
    `capacity: {cores: 1, memoryGb: 1}\nimages: {registries: []}\nlimits: {requests: {reads: ${plenty}, changes: ${plenty}, unauthenticated: ${plenty}}}\n`,
  )
  await platform.start()
  await platform.admin('user', 'add', 'bob', '--group', 'optics')
  await platform.admin('user', 'add', 'root', '--admin')
  const tokens = {
    ada: await platform.admin('token', 'create', 'ada'),
    bob: await platform.admin('token', 'create', 'bob'),
    root: await platform.admin('token', 'create', 'root', '--scope', 'read,submit,manage,admin'),
  }
  own = ['ada', 'bob', 'root', ...(await Promise.all([platform.token, ...Object.values(tokens)].map(idOf)))]
  for (const [who, names] of [
    ['user', ['ada', 'bob']],
    ['administrator', ['root', 'bob']],
  ] as const) {
    users[who] = join(platform.folder, `${who}.json`)
    const auth = names.map((name, i) => ({
      name: ['caller', 'other'][i],
      fixedHeaders: [{ name: 'Authorization', value: `Bearer ${tokens[name]}` }],
    }))
    await writeFile(users[who], JSON.stringify({ auth }), { mode: 0o600 })
  }
})
after(() => platform[Symbol.asyncDispose]())

/** The id of a token. */
async function idOf(token: string): Promise<string> {
  const answer = await fetch(`${platform.url}/api/v1/tokens`, { headers: { authorization: `Bearer ${token}` } })
  const { tokens } = (await answer.json()) as { tokens: { id: string; current?: true }[] }
  return tokens.find(({ current }) => current)?.id ?? ''
}

/** Runs schemathesis with an OpenAPI document of the platform, and returns exit code and output. */
function run(
  document: string,
  who: keyof typeof users,
  more: readonly string[],
): Promise<{ code: number | null; report: string }> {
  const args = ['--no-color', '--config-file', 'schemathesis.toml', 'run', `${platform.url}${document}`, ...more]
  const child = spawn(schemathesis, [...args, `--seed=${seed}`, `--max-examples=${examples}`], {
    cwd: folder,
    env: {
      ...process.env,
      FUZZ_USERS: users[who],
      FUZZ_OWN: own.join(' '),
      // Without the examples of earlier runs, so that only the seed determines the requests.
      HYPOTHESIS_STORAGE_DIRECTORY: join(platform.folder, 'hypothesis'),
      COLUMNS: '120',
      PYTHONDONTWRITEBYTECODE: '1',
    },
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

/** Callers and documents. The administrator requests only routes that others may not use. */
const runs = [
  ['/skaha/openapi.json', 'user', []],
  ['/api/v1/openapi.json', 'user', []],
  ['/api/v1/openapi.json', 'administrator', ['--include-path-regex=/(users|groups|projects|audit|limits)']],
] as const

for (const [document, who, more] of runs) {
  test(`every answer to the ${who} conforms to ${document}`, async (t) => {
    t.diagnostic(`seed ${seed}; to repeat: FUZZ_SEED=${seed} npm run e2e -- e2e/fuzz/fuzz.test.ts`)
    const { code, report } = await run(document, who, more)
    assert.equal(code, 0, report)
    const [, generated = '0'] = /(\d+) generated, \1 passed/.exec(report) ?? []
    assert.ok(Number(generated) > 500, report)
    t.diagnostic(`${generated} requests`)
  })
}

test('after all requests the server has logged no fault, is ready, stops in order and starts again', async () => {
  assert.doesNotMatch(platform.log, /"level":(50|60)/)
  const answer = await platform.fetch('/readyz')
  assert.equal(answer.status, 200)
  assert.equal(await platform.stop(), 0)
  await platform.start()
})
