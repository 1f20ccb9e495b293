import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as forward, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { recordingServer } from '../testing/recording-server.ts'
import { Connection } from './connection.ts'
import { proxyOf } from './proxy.ts'
import { UnreachableError } from './unreachable-error.ts'

const cleanups: (() => void)[] = []
after(() => {
  for (const cleanup of cleanups) cleanup()
})

test('HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide by address, in small and capital letters', () => {
  const both = { HTTPS_PROXY: 'http://a:1', http_proxy: 'http://b:2' }
  const cases: [address: string, environment: Record<string, string>, proxy: string | undefined][] = [
    ['https://host.example.org/x', {}, undefined],
    ['https://host.example.org/x', both, 'http://a:1'],
    ['http://host.example.org/x', both, 'http://b:2'],
    ['https://host.example.org', { HTTPS_PROXY: '' }, undefined],
    ['https://host.example.org', { ...both, https_proxy: 'http://c:3' }, 'http://c:3'],
    ['https://host.example.org', { ...both, NO_PROXY: '*' }, undefined],
    ['https://host.example.org', { ...both, NO_PROXY: 'other.org, example.org' }, undefined],
    ['https://host.example.org', { ...both, no_proxy: '.example.org' }, undefined],
    ['https://host.example.org', { ...both, no_proxy: 'ample.org' }, 'http://a:1'],
    ['https://host.example.org', { ...both, NO_PROXY: 'HOST.example.org:443' }, undefined],
    ['https://host.example.org:8443', { ...both, NO_PROXY: 'host.example.org:443' }, 'http://a:1'],
    ['http://127.0.0.1:8080', { ...both, NO_PROXY: 'localhost,127.0.0.1' }, undefined],
    ['http://[::1]:8080', { ...both, NO_PROXY: '::1' }, undefined],
    ['http://[::1]:8080', { ...both, NO_PROXY: '[::1]' }, undefined],
  ]
  for (const [address, environment, proxy] of cases)
    assert.equal(proxyOf(address, environment)?.url, proxy, `${address} ${JSON.stringify(environment)}`)
})

/** A proxy that notes what it is asked for; it forwards plain http and refuses tunnels. */
async function startProxy(asked: string[]): Promise<{ readonly server: Server; readonly host: string }> {
  const server = createServer((incoming, response) => {
    asked.push(`${incoming.method} ${incoming.url}`)
    incoming.pipe(
      forward(incoming.url ?? '', { method: incoming.method, headers: incoming.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      }),
    )
  })
  server.on('connect', ({ url }, socket) => {
    asked.push(`CONNECT ${url}`)
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, host: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

test('requests go through the proxy, and an error names it without its password', async () => {
  const target = await recordingServer(() => ({ body: 'hello' }))
  cleanups.push(() => void target.close())
  const asked: string[] = []
  const { host } = await startProxy(asked)
  const connection = new Connection({ token: 't' })
  const variables = {
    http_proxy: `http://${host}`,
    https_proxy: `http://ada:secret@${host}`,
    no_proxy: '',
    NO_PROXY: '',
  }
  const before = Object.fromEntries(Object.keys(variables).map((name) => [name, process.env[name]]))
  Object.assign(process.env, variables)
  try {
    const answer = await connection.exchange({ method: 'GET', url: `${target.url}/x` })
    assert.deepEqual([answer.status, answer.text], [200, 'hello'])
    assert.deepEqual(asked, [`GET ${target.url}/x`])
    assert.equal(target.requests[0]?.headers.authorization, 'Bearer t')
    await assert.rejects(
      connection.exchange({ method: 'GET', url: 'https://batch.example.org/x' }),
      (error: unknown) => {
        assert.ok(error instanceof UnreachableError)
        assert.match(
          error.message,
          new RegExp(`^no answer from https://batch.example.org/x: .*403.*, through the proxy ${host} of https_proxy$`),
        )
        return true
      },
    )
    assert.equal(asked.at(-1), 'CONNECT batch.example.org:443')
    process.env['no_proxy'] = '127.0.0.1'
    await connection.exchange({ method: 'GET', url: `${target.url}/direct` })
    assert.equal(asked.length, 2)
    process.env['https_proxy'] = '://'
    await assert.rejects(
      connection.exchange({ method: 'GET', url: 'https://batch.example.org/x' }),
      /https_proxy is '.*HOST:PORT/,
    )
  } finally {
    for (const [name, value] of Object.entries(before))
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
  }
})
