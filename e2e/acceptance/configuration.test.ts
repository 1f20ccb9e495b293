import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { onKubernetes, Platform } from '../support/platform.ts'
import {
  clientConfiguration,
  configurationFile,
  configuredHome,
  farFuture,
  lastingLogin,
  oidcLogin,
} from './client-configuration.ts'
import {
  clientEnvironment,
  clientsHere,
  emptyEnvironment,
  ourCanfar,
  PublishedClient,
  type Ending,
} from './published-client.ts'

const isOlderTried = clientsHere.includes('canfar-1.4.1')
let platform: Platform

before(async () => {
  platform = await Platform.make('capacity: {cores: 4, memoryGb: 8}\n')
  await platform.start()
})
after(() => platform[Symbol.asyncDispose]())

const configuration = (version: 1 | 2, key: string, login: object = {}, server: object = {}): object =>
  clientConfiguration(platform, version, key, login, server)
const home = (name: string, document: object): Promise<NodeJS.ProcessEnv> => configuredHome(platform, name, document)

/** The maximum request of a session: the platform's capacity, or that of the nodes of a cluster. */
async function most(): Promise<{ cores: number; ram: number }> {
  if (!onKubernetes) return { cores: 4, ram: 8 }
  const { cores, memoryGb } = (await platform.jobs().queue()).capacity
  return { cores: Math.floor(cores), ram: Math.floor(memoryGb) }
}

/** The user's sessions in a script that does not name a server. */
const fetchScript = 'import json; from canfar.sessions import Session; print(json.dumps(Session().fetch()))'

async function assertWorks(client: PublishedClient, environment: NodeJS.ProcessEnv): Promise<void> {
  const id = await platform.submit('sleep 600', { name: 'configured' })
  await platform.becomes(id, 'running')
  const library = succeeded(await client.python(['-c', fetchScript], environment))
  const sessions = JSON.parse(library.split('\n').at(-2) ?? '') as { id: string; status: string }[]
  assert.deepEqual(
    sessions.filter(({ status }) => status === 'Running').map((session) => session.id),
    [id],
  )
  assert.match(succeeded(await client.canfar(['ps', '-q'], environment)), new RegExp(`^@\\w+\n${id}\n$`))
  succeeded(await client.canfar(['delete', '-f', id], environment))
  assert.equal((await platform.ended(id)).state, 'cancelled')
}

function succeeded({ code, stdout, stderr }: Ending): string {
  assert.equal(code, 0, stdout + stderr)
  return stdout
}

describe('the server of a published client is configured', () => {
  let recent: PublishedClient
  /** Undefined where only the newest client is tested. */
  let older: PublishedClient | undefined
  before(async () => {
    recent = await PublishedClient.install('canfar-1.5.2')
    if (isOlderTried) older = await PublishedClient.install('canfar-1.4.1')
  })

  it('by the environment, and no file is written', async () => {
    for (const client of older === undefined ? [recent] : [recent, older]) {
      const environment = await clientEnvironment(platform, 'environment')
      await assertWorks(client, environment)
      await assert.rejects(stat(configurationFile(environment)), { code: 'ENOENT' })
    }
  })

  it('by a configuration with its own key', async () => {
    const ownKey = await home('own-key', configuration(2, 'mysite'))
    await assertWorks(recent, ownKey)
    // It knows only built-in logins.
    assert.equal((await recent.canfar(['auth', 'show'], ownKey)).code, 1)
    // The older client accepts only logins with a refresh token.
    if (older !== undefined)
      await assertWorks(older, await home('own-key-1', configuration(1, 'mysite', lastingLogin(platform))))
  })

  it('by a configuration of version 1, which 1.5.2 upgrades to version 2', async () => {
    const environment = await home('upgraded', configuration(1, 'mysite'))
    await assertWorks(recent, environment)
    assert.match(await readFile(configurationFile(environment), 'utf8'), /^version: 2$/m)
  })

  it('by the key srcnet with a storage entry: auth, server ls and server use work without the Internet', async () => {
    const storage = { srcnet: { uri: 'ivo://example.org/arc', url: `${platform.url}/arc` } }
    const environment = await home(
      'srcnet',
      configuration(2, 'srcnet', {}, { uri: 'ivo://example.org/skaha', storage }),
    )
    const canfar = async (...args: string[]): Promise<string> => succeeded(await recent.canfar(args, environment))

    assert.match(await canfar('auth', 'show'), /srcnet/)
    const [login] = JSON.parse(await canfar('auth', 'ls', '-o', 'json')) as {
      idp: string
      mode: string
      active: boolean
    }[]
    assert.deepEqual([login?.idp, login?.mode, login?.active], ['srcnet', 'oidc', true])
    assert.match(await canfar('server', 'ls'), /srcnet/)
    assert.match(await canfar('server', 'use', 'srcnet'), /Active server set to srcnet/)
    assert.match(await canfar('auth', 'use', 'srcnet'), /Switched active authentication to srcnet/)

    const [server] = JSON.parse(await canfar('server', 'ls', '-o', 'json')) as {
      url: string
      version: string
      auths: string[]
      resources: object
    }[]
    assert.deepEqual([server?.url, server?.version, server?.auths], [`${platform.url}/skaha`, 'v1', ['oidc']])
    const max = await most()
    const offered = { cores: { min: 1, max: max.cores }, ram: { min: 1, max: max.ram } }
    assert.deepEqual(server?.resources, {
      flexible: offered,
      fixed: offered,
      gpus: { min: 0, max: 0 },
      sessions: 5,
    })
    const tooMany = ['create', 'headless', 'localhost/test/busybox:1', '-c', String(max.cores + 1)]
    const { code, stderr } = await recent.canfar(tooMany, environment)
    const words = `${max.cores + 1} is not in the range 1<=x<=${max.cores}`
    assert.deepEqual([code, stderr.includes(words)], [2, true], stderr)
    await assertWorks(recent, environment)
  })

  it('by the key srcnet for the older client, whose configuration knows no storage', async (context) => {
    const client = older
    if (client === undefined) return context.skip('the newest client stands for all here')
    const login = lastingLogin(platform)
    const uri = 'ivo://example.org/skaha'
    const environment = await home('srcnet-1', configuration(1, 'srcnet', login, { uri }))
    const canfar = async (...args: string[]): Promise<string> => succeeded(await client.canfar(args, environment))

    const shown = JSON.parse(await canfar('auth', 'show', '--json')) as object
    const expected = { idp: 'srcnet', mode: 'oidc', expiry: farFuture, active: true, server: 'srcnet' }
    assert.deepEqual(shown, { ...expected, name: 'SKA Regional Centre Network' })
    assert.deepEqual(JSON.parse(await canfar('auth', 'ls', '--json')), [shown])
    assert.match(await canfar('server', 'use', 'srcnet'), /Active server set to srcnet/)
    assert.match(await canfar('auth', 'use', 'srcnet'), /Switched active authentication to srcnet/)
    const [server] = JSON.parse(await canfar('server', 'ls', '--json')) as Record<string, unknown>[]
    const { url, version, auths, cores, ram, gpus } = server ?? {}
    assert.deepEqual([url, version, auths], [`${platform.url}/skaha`, 'v1', ['oidc']])
    // The capabilities of the platform, which `server use` has read.
    const max = await most()
    assert.deepEqual([cores, ram, gpus], [max.cores, max.ram, 0])
    await assertWorks(client, environment)

    const storage = { srcnet: { uri: 'ivo://example.org/arc', url: `${platform.url}/arc` } }
    const { code, stderr } = await client.canfar(
      ['ps'],
      await home('srcnet-storage', configuration(1, 'srcnet', login, { uri, storage })),
    )
    assert.equal(code, 1)
    assert.match(stderr, /servers\.srcnet\.storage\s+Extra inputs are not permitted/)
  })

  it('and an expired access token is refreshed by its issuer', async () => {
    await using issuer = await startIssuer(platform.token)
    const login = oidcLogin(issuer.url, { access: 'sp_expired', refresh: 'refresh-1' }, 1)
    const environment = await home('refresh', configuration(2, 'mysite', login))
    await assertWorks(recent, environment)
    assert.deepEqual(issuer.requests, [
      `Basic ${Buffer.from('cli:of-the-client').toString('base64')} grant_type=refresh_token refresh_token=refresh-1`,
    ])
    const saved = await readFile(configurationFile(environment), 'utf8')
    assert.ok(saved.includes(platform.token) && saved.includes('refresh-2') && !saved.includes('sp_expired'), saved)

    // The older client reads the expiry from the new token, which must be a JSON web token.
    if (older === undefined) return
    const { code, stderr } = await older.python(
      ['-c', fetchScript],
      await home('refresh-1', configuration(1, 'mysite', login)),
    )
    assert.equal(code, 1)
    assert.match(stderr, /Failed to decode JWT token/)
  })

  it('by a login of our command line, which also reads the configuration of a published client', async () => {
    const environment = await emptyEnvironment(platform, 'both')
    const login = ['auth', 'login', '--server', platform.url, '--name', 'mine', '--token', '-']
    assert.match(succeeded(await ourCanfar(login, environment, `${platform.token}\n`)), /^Logged in to mine as ada\.$/m)
    await assertWorks(recent, environment)

    // The older client reads only its own version.
    if (older !== undefined) assert.equal((await older.canfar(['ps'], environment)).code, 1)

    // Each command line reads the file after the other has changed it.
    succeeded(await recent.canfar(['config', 'set', 'console.width', '100'], environment))
    const id = await platform.submit('true', { name: 'ours' })
    await platform.ended(id)
    assert.match(succeeded(await ourCanfar(['ps', '--all', '--json'], environment)), new RegExp(`"id": "${id}"`))
    succeeded(await ourCanfar(['config', 'set', 'console.banner', 'false'], environment))
    assert.equal(succeeded(await recent.canfar(['config', 'get', 'console.width'], environment)).trim(), '100')
    await assert.rejects(assertWorks(recent, environment), /\^@/, 'the banner is off')

    for (const [version, key] of [
      [1, 'mysite'],
      [2, 'srcnet'],
    ] as const) {
      const theirs = await home(`theirs-${version}`, configuration(version, key))
      assert.match(succeeded(await ourCanfar(['ps', '--all', '--json'], theirs)), new RegExp(`"id": "${id}"`))
    }
  })
})

/** An identity provider with one client and one refresh token, which issues `token` (RFC 6749, section 6). */
async function startIssuer(token: string) {
  const requests: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      const form = [...new URLSearchParams(body)].map((pair) => pair.join('=')).sort()
      requests.push([request.headers.authorization, ...form].join(' '))
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 3600, refresh_token: 'refresh-2' }),
      )
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose](): Promise<void> {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
