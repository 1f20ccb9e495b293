import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import type { ProblemBody } from '@science-platform/contract'
import { bodyLimit, headLimit, readHeadLimit } from './request-limits.ts'
import { testApp } from '../testing/test-app.ts'

/** Milliseconds: enough time to send a request, short enough for a test. */
const arrival = 1_000
const t = await testApp({}, { arrival })
const url = new URL(await t.listen())
const token = await t.token('ada')

/** Sends bytes over a new connection and returns all received data until the server closes it. */
function raw(...parts: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(url.port), url.hostname, () => {
      for (const part of parts) socket.write(part)
    })
    socket.setEncoding('latin1').on('data', (text: string) => {
      answer += text
    })
    socket.once('close', () => {
      resolve(answer)
    })
    // The server may close the connection during the write. Data received before that counts.
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error)
    })
  })
}

const head = (method: string, path: string, ...headers: readonly string[]): string =>
  [`${method} ${path} HTTP/1.1`, 'Host: here', `Authorization: Bearer ${token}`, 'Connection: close', ...headers].join(
    '\r\n',
  ) + '\r\n\r\n'

/** The problem of a raw answer, or its line of text. */
function refusal(answer: string): { status: number; type: string; said: string } {
  const [top = '', body = ''] = answer.split('\r\n\r\n')
  const json = top.includes('application/problem+json')
  const problem = json ? (JSON.parse(body) as ProblemBody) : undefined
  if (!json) assert.match(top, /content-type: text\/plain/i)
  if (!json) assert.match(body, /^[^\n]+\n$/)
  return {
    status: Number(top.split(' ')[1]),
    type: problem?.type.split(':').at(-1) ?? 'text',
    said: problem?.detail ?? body,
  }
}

describe('requests that are too large or too slow are refused in the format of their part of the server', () => {
  const long = 'x'.repeat(headLimit)
  const cases: readonly (readonly [string, string, number, string])[] = [
    ['an address on the wire', head('GET', `/skaha/v1/session?cmd=${long}`), 414, 'text'],
    ['an address of the API', head('GET', `/api/v1/jobs?name=${long}`), 414, 'address-too-long'],
    ['headers on the wire', head('GET', '/skaha/v1/session', `X-Long: ${long}`), 431, 'text'],
    ['headers of the API', head('GET', '/api/v1/jobs', `X-Long: ${long}`), 431, 'headers-too-large'],
    ['a body on the wire', head('POST', '/skaha/v1/session', `Content-Length: ${bodyLimit + 1}`), 413, 'text'],
    [
      'a body of the API',
      head('POST', '/api/v1/jobs', `Content-Length: ${bodyLimit + 1}`, 'Content-Type: application/json'),
      413,
      'too-large',
    ],
    ['a slow body on the wire', head('POST', '/skaha/v1/session', 'Content-Length: 9') + 'a', 408, 'text'],
    [
      'a slow body of the API',
      head('POST', '/api/v1/jobs', 'Content-Length: 9', 'Content-Type: application/json') + '{',
      408,
      'request-timeout',
    ],
    ['slow headers', 'GET /api/v1/jobs HTTP/1.1\r\nHost: he', 408, 'text'],
    ['no HTTP on the wire', 'GET /skaha/v1/session HTTP/1.1\r\nHost here\r\n\r\n', 400, 'text'],
    ['no HTTP of the API', 'GET /api/v1/jobs HTTP/1.1\r\nHost here\r\n\r\n', 400, 'invalid-request'],
  ]
  for (const [what, request, status, type] of cases) {
    it(`${what}: ${status}`, async () => {
      const { said, ...found } = refusal(await raw(request))
      assert.deepEqual(found, { status, type }, said)
      assert.ok(said.length > 20, said)
    })
  }

  it('a head above the read limit is answered with 431, and the connection is closed', async () => {
    const parts = Array.from({ length: 50 }, () => `X-Long: ${'x'.repeat(readHeadLimit / 40)}\r\n`)
    const answer = await raw('GET /api/v1/jobs HTTP/1.1\r\nHost: here\r\n', ...parts)
    // The server does not read the remaining data, so the answer may be lost with the connection.
    if (answer !== '') assert.equal(refusal(answer).status, 431)
  })

  it('an address just below the limit is accepted', async () => {
    const answer = await raw(head('GET', `/api/v1/jobs?name=${'x'.repeat(headLimit - 1_000)}`))
    assert.match(answer, /^HTTP\/1.1 200/)
  })

  it('the server still works afterwards', async () => {
    assert.equal((await t.as('ada', { url: '/api/v1/jobs' })).statusCode, 200)
  })
})
