import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { startRegistry, type TestRegistry } from '../packages/server/src/image/testing/registry.ts'
import { filesBelow, textOf } from './support/files.ts'
import { eventually, Platform } from './support/platform.ts'

/** A secret value, and the place where it was put. */
const secrets: Record<string, string> = {}
/** A random secret of a given length. */
const secret = (place: string): string =>
  (secrets[place] = `hush-${place}-${Math.random().toString(36).slice(2, 12).padEnd(10, 'x')}`)

let folder: string
let platform: Platform
let registry: TestRegistry
/** Bodies of all error answers. */
const refused: string[] = []

before(async () => {
  process.env.LOG_LEVEL = 'trace'
  folder = await mkdtemp(join(tmpdir(), 'sp-secrets-'))
  registry = await startRegistry(folder, { account: { user: 'ada', password: secret('registry-stored') } })
  platform = await Platform.make(
    `capacity: {cores: 2, memoryGb: 2}\nimages: {registries: ["${registry.host}"], insecure: ["${registry.host}"]}\n`,
  )
  secrets.token = platform.token
  await platform.admin('user', 'add', 'grace', '--admin')
  secrets.adminToken = await platform.admin('token', 'create', 'grace')
  secrets.revokedToken = await platform.admin('token', 'create', 'ada')
  await platform.admin('token', 'revoke', 'ada', secrets.revokedToken.slice(0, 9))
  await platform.start()
})

after(async () => {
  await platform[Symbol.asyncDispose]()
  await registry.stop()
  await rm(folder, { recursive: true })
})

/** Sends a request with only these headers, and stores error answers. */
async function send(method: string, path: string, headers: Record<string, string> = {}, body?: string) {
  const answer = await fetch(`${platform.url}${path}`, { method, headers, ...(body === undefined ? {} : { body }) })
  const text = await answer.text()
  if (answer.status >= 400) refused.push(`${method} ${path.slice(0, 40)}: ${text}`)
  return { status: answer.status, text }
}

/** Sends exact bytes, for requests that no client would send. */
const raw = (request: string): Promise<string> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(platform.url)
    let answer = ''
    const socket = connect(Number(port), hostname, () => socket.write(request))
    socket.setEncoding('latin1').on('data', (text: string) => (answer += text))
    socket.on('error', () => undefined).once('close', () => resolve(answer))
  })

const bearer = (token: string | undefined) => ({ authorization: `Bearer ${token}` })
const json = { 'content-type': 'application/json' }
const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('secrets in every field', () => {
  it('are refused, accepted or passed on correctly, and cause every kind of error', async () => {
    const mine = bearer(secrets.token)
    const statuses = new Set<number>()
    const ask = async (...request: Parameters<typeof send>) => statuses.add((await send(...request)).status)
    const job = { name: 'a', image: 'localhost/test/busybox:1', cmd: 'true' }
    for (const api of ['/api/v1/jobs', '/skaha/v1/session', '/skaha/v0/session']) {
      await ask('GET', `${api}?token=${secrets.token}&access_token=${secrets.token}`)
      await ask('GET', api, bearer(secrets.revokedToken))
      await ask('GET', api, bearer(`${secrets.token}${secret('longer-token')}`))
      await ask('GET', api, { authorization: `Token ${secrets.token}` })
      await ask('GET', api, { authorization: `Basic ${base64(`ada:${secret('basic')}`)}` })
      await ask('GET', api, {
        'x-api-key': secrets.token ?? '',
        cookie: `session=${secret('cookie')}; t=${secrets.token}`,
      })
      await ask('GET', `${api}/${secrets.token}`, mine)
      await ask('DELETE', `${api}/${secrets.token}`, mine)
      await ask('DELETE', `${api}/${secrets.token}`, bearer(secrets.revokedToken))
      await ask('POST', `${api}/${secrets.token}/cancel`, mine)
      await ask('PUT', `${api}?password=${secret('query')}`, { ...mine, cookie: `a=${secret('cookie2')}` })
      await ask('POST', api, { ...mine, ...json }, `{"password": "${secret('broken-json')}`)
      await ask('POST', api, { ...mine, ...json }, JSON.stringify({ ...job, name: secrets.token }))
      await ask(
        'POST',
        api,
        { ...mine, ...json },
        JSON.stringify({ ...job, image: `ada:${secret('image')}@${registry.host}/a:1` }),
      )
      await ask('POST', api, { ...mine, ...json }, 'x'.repeat(1_400_000) + secret('too-large'))
      await ask('POST', api, { ...mine, 'content-type': 'text/csv' }, secret('media-type'))
      await ask('GET', `${api}?long=${'x'.repeat(1_400_000)}${secret('long')}`, mine)
    }
    await ask('GET', `/api/v1/audit`, mine)
    await ask('GET', `/nothing/${secrets.token}`, mine)
    const key = { 'idempotency-key': secret('idempotency-key') }
    await ask('POST', '/api/v1/jobs', { ...mine, ...json, ...key }, JSON.stringify(job))
    await ask('POST', '/api/v1/jobs', { ...mine, ...json, ...key }, JSON.stringify({ ...job, name: 'b' }))
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    for (const auth of [
      secret('registry-raw'),
      base64(secret('registry-no-colon')),
      base64(`:${secret('registry-no-user')}`),
    ])
      await ask(
        'POST',
        '/skaha/v1/session',
        { ...mine, ...form, 'x-skaha-registry-auth': auth },
        'name=a&image=localhost/test/busybox:1',
      )
    for (const status of [400, 401, 403, 404, 405, 409, 413, 414, 415])
      assert.ok(statuses.has(status), `${status} was not provoked: ${[...statuses].join()}`)
    refused.push(
      await raw(
        `GET /api/v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${secrets.token}\r\nbad header ${secret('raw')}\r\n\r\n`,
      ),
    )
    refused.push(await raw(`${secret('no-http')} ${secrets.token}\r\n\r\n`))
  })

  it('of running and failed jobs, and of jobs with refused images, are in no command line of the platform', async () => {
    const environment = { PASSWORD: secret('env') }
    const args = ['-c', `: ${secret('args')}; while [ ! -e done ]; do sleep 0.1; done`]
    const running = await platform.submit('', { args, env: environment })
    await platform.becomes(running, 'running')
    const lines = await commandLines()
    assert.ok(lines.length > 5)
    // The arguments of a command may only be in its own command line.
    const ours = lines.filter((line) => !line.includes('while [ ! -e done ]'))
    for (const [place, words] of Object.entries(secrets))
      assert.ok(!ours.some((line) => line.includes(words)), `${place} is in a command line`)
    const auth = base64(`ada:${secret('registry-rejected')}`)
    const headers = {
      ...bearer(secrets.token),
      'x-skaha-registry-auth': auth,
      'content-type': 'application/x-www-form-urlencoded',
    }
    const body = `name=refused&image=${encodeURIComponent(`${registry.host}/team/secret:1`)}&env=${encodeURIComponent(`A=${secret('env2')}`)}`
    const answer = await send('POST', '/skaha/v1/session', headers, body)
    if (answer.status === 200) {
      const job = await platform.ended(answer.text.trim())
      assert.equal(job.state, 'failed')
      refused.push(JSON.stringify({ ...job, env: {}, args: [] }))
    }
    const login = `/api/v1/registries/${registry.host}/login`
    const withSecret = (words: string | undefined) => JSON.stringify({ username: 'ada', secret: words })
    const stored = await send(
      'PUT',
      login,
      { ...bearer(secrets.token), ...json },
      withSecret(secrets['registry-stored']),
    )
    assert.equal(stored.status, 200, stored.text)
    const wrong = await send('PUT', login, { ...bearer(secrets.token), ...json }, withSecret(secret('registry-wrong')))
    assert.ok(wrong.status >= 400, wrong.text)
    await platform.run('echo $CANFAR_TOKEN > token; exit 1', { jobToken: true })
    secrets.jobToken = (await readFile(join(platform.dataDir, 'arc/home/ada/token'), 'utf8')).trim()
    assert.match(secrets.jobToken, /^sp_[0-9a-z]{52}$/)
    await send('GET', '/api/v1/jobs', bearer(secrets.jobToken))
    await platform.run('exit 3', { env: { KEY: secret('env3') } })
    await platform.jobs().cancel(running)
    await platform.ended(running)
  })

  it('are not in the 500 answer of a broken store', async () => {
    const database = new DatabaseSync(join(platform.dataDir, 'platform.db'))
    database.exec(`create trigger broken before insert on jobs begin select raise(abort, 'broken on purpose'); end`)
    try {
      for (const [path, type] of [
        ['/api/v1/jobs', 'application/json'],
        ['/skaha/v1/session', 'application/x-www-form-urlencoded'],
      ] as const) {
        const job = { name: 'a', image: 'localhost/test/busybox:1', env: { A: secret('env-broken') } }
        const body = type.endsWith('json')
          ? JSON.stringify(job)
          : `name=a&image=localhost/test/busybox:1&env=A=${secret('env-form')}`
        const { status } = await send('POST', path, { ...bearer(secrets.token), 'content-type': type }, body)
        assert.equal(status, 500)
      }
    } finally {
      database.exec('drop trigger broken')
      database.close()
    }
  })

  it('are in no error answer', () => {
    assert.ok(refused.length > 50)
    for (const [place, words] of Object.entries(secrets))
      for (const text of refused) assert.ok(!text.includes(words), `${place} is in ${text.slice(0, 2_000)}`)
  })

  it('are in no line of the most verbose log, and no line was forged', async () => {
    await eventually('the log of the failures', async () => platform.log.includes('broken on purpose'))
    for (const line of platform.log
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('{')))
      JSON.parse(line)
    assert.match(platform.log, /"msg":"request"/)
    nowhere(platform.log, 'the log')
  })

  it('are not in the metrics', async () => {
    const answer = await fetch(`${platform.url}/metrics`, { headers: bearer(secrets.adminToken) })
    assert.equal(answer.status, 200)
    const text = await answer.text()
    assert.match(text, /science_platform_http_requests_total\{/)
    nowhere(text, 'the metrics')
  })

  it('are not in the audit trail, which records the attempts', async () => {
    const text = await platform.admin('audit', 'list', '--limit', '1000', '--json')
    const entries = JSON.parse(text) as { action: string; outcome: string }[]
    assert.ok(entries.some(({ action, outcome }) => action === 'submitJobs' && outcome === 'failed'))
    assert.ok(entries.some(({ action }) => action === 'token create'))
    nowhere(text, 'the audit trail')
    assert.match(await platform.admin('audit', 'verify'), /unchanged and without gaps/)
  })

  it('are in no file of the platform, including the database', async () => {
    let files = 0
    const apart = ['images', 'arc'].map((name) => join(platform.dataDir, name))
    for (const file of await filesBelow(platform.dataDir, (path) => !apart.includes(path))) {
      files += 1
      nowhere(await textOf(file), file)
    }
    assert.ok(files > 3)
  })
})

function nowhere(text: string, where: string): void {
  for (const [place, words] of Object.entries(secrets)) {
    assert.ok(!text.includes(words), `the secret of ${place} is in ${where}`)
    assert.ok(
      !text.includes(base64(words).replace(/=*$/, '').slice(2, -4)),
      `the secret of ${place} is in ${where}, in base64`,
    )
  }
}

async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')))
}

/** Every file of the platform below a folder, without images and users' files. */
