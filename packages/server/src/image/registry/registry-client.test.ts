import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type OutgoingHttpHeaders } from 'node:http'
import { afterEach, describe, it } from 'node:test'
import { nextLink, RegistryClient } from './registry-client.ts'
import { RegistryError } from './registry-error.ts'

const digest = `sha256:${'a'.repeat(64)}`
const credentials = 'ada:secret'
const basic = `Basic ${Buffer.from(credentials).toString('base64')}`
let stop: () => Promise<void> = () => Promise.resolve()
afterEach(() => stop())

/** A registry that demands authorization by these header lines, and the authorizations that its parts were sent. */
async function startDemanding(challenges: (host: string) => readonly string[]) {
  const seen: { readonly path: string; readonly authorization: string | undefined }[] = []
  const server = createServer((request, answer) => {
    const { authorization } = request.headers
    const path = (request.url ?? '').split('?')[0] ?? ''
    seen.push({ path, authorization })
    if (path === '/token') return void answer.end(JSON.stringify({ token: 'of-the-service' }))
    const isIn = authorization === basic || authorization === 'Bearer of-the-service'
    const headers: OutgoingHttpHeaders = isIn
      ? { 'docker-content-digest': digest }
      : { 'www-authenticate': [...challenges(host)] }
    answer.writeHead(isIn ? 200 : 401, headers).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const host = typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : ''
  stop = async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  const ask = (given: string | undefined): Promise<string> =>
    new RegistryClient({
      source: { registry: host, plainHttp: true },
      credentials: given,
      signal: AbortSignal.timeout(60_000),
    }).digest('a', '1')
  return { seen, ask }
}

describe('a registry with several challenges', () => {
  const own = (host: string): string => `Bearer realm="http://${host}/token",service="r"`
  const orders: readonly (readonly [string, (host: string) => readonly string[]])[] = [
    ['Bearer first', (host) => [own(host), 'Basic realm="Gitea Package API"']],
    ['Basic first', (host) => ['Basic realm="Gitea Package API"', own(host)]],
    ['in one line', (host) => [`Basic realm="x", ${own(host)}`]],
  ]
  for (const [name, challenges] of orders)
    it(`gets a token of its own service, with and without credentials: ${name}`, async () => {
      const { seen, ask } = await startDemanding(challenges)
      assert.equal(await ask(undefined), digest)
      assert.equal(await ask(credentials), digest)
      assert.deepEqual(
        seen.filter(({ path }) => path === '/token').map(({ authorization }) => authorization),
        [undefined, basic],
      )
    })

  it('gets no credentials for schemes that the platform does not know, and none for another site', async () => {
    for (const [challenges, failure] of [
      [['Negotiate'], 'denied'],
      [['Bearer realm="http://evil.test/token"'], 'untrusted'],
      [['Basic realm="r"', 'Bearer realm="http://evil.test/token"'], 'untrusted'],
    ] as const) {
      const { seen, ask } = await startDemanding(() => challenges)
      await assert.rejects(ask(credentials), (error) => error instanceof RegistryError && error.failure === failure)
      assert.ok(seen.every(({ authorization }) => authorization === undefined))
      await stop()
      stop = () => Promise.resolve()
    }
  })
})

describe('a registry of another protocol', () => {
  const client = (host: string, plainHttp: boolean) =>
    new RegistryClient({ source: { registry: host, plainHttp }, signal: AbortSignal.timeout(60_000) }).digest('a', '1')
  const fails = (message: RegExp) => (error: unknown) =>
    error instanceof RegistryError && error.failure === 'unreachable' && message.test(error.message)

  async function startAnswering(status: number, body: string): Promise<string> {
    const server = createServer((_request, answer) => answer.writeHead(status).end(body)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    stop = async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    }
    const address = server.address()
    return typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : ''
  }

  it('is told by name where it speaks http', async () => {
    await assert.rejects(client(await startAnswering(200, ''), false), fails(/: the server speaks http, not https$/))
  })

  it('is told by name where it speaks https, in the words of Go and of nginx', async () => {
    for (const words of [
      'Client sent an HTTP request to an HTTPS server.\n',
      '<center>The plain HTTP request was sent to HTTPS port</center>',
    ]) {
      await assert.rejects(
        client(await startAnswering(400, words), true),
        fails(/: the server speaks https, not http$/),
      )
      await stop()
      stop = () => Promise.resolve()
    }
  })
})

describe('the link to the next page', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['</v2/_catalog?last=b&n=2>; rel="next"', '/v2/_catalog?last=b&n=2'],
    ['</next>;rel=next', '/next'],
    ['</first>; rel="first", </next>; title="a, b"; rel="next"', '/next'],
    ['</next>; rel="prefetch next"', '/next'],
    ['</nextcloud>; rel="nextcloud", </x>; rel=nexto', undefined],
    ['', undefined],
  ]
  for (const [header, target] of table)
    it(`of ${JSON.stringify(header)} is ${String(target)}`, () => {
      assert.equal(nextLink(header), target)
    })
})
