import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request as it came over the wire. */
export interface Recorded {
  readonly method: string
  /** Path and query, as sent. */
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A server for tests that keeps every request. */
export interface RecordingServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  readonly requests: Recorded[]
  close(): Promise<void>
}

/** What a test answers: a status and a body, or anything at all through the response itself. */
export type Reply = { status?: number; headers?: Record<string, string>; body?: string | object } | undefined

/**
 * Starts a server on a free port of the loopback. `answer` gets each request once its body was read; when it returns
 * undefined it has taken the response into its own hands. For tests only.
 */
export async function recordingServer(
  answer: (request: Recorded, response: ServerResponse) => Reply | Promise<Reply>,
): Promise<RecordingServer> {
  const requests: Recorded[] = []
  const server = createServer((incoming, response) => {
    const parts: Buffer[] = []
    incoming.on('data', (part: Buffer) => parts.push(part))
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming
      const request = { method, url, headers, body: Buffer.concat(parts).toString() }
      requests.push(request)
      Promise.resolve(answer(request, response)).then(
        (reply) => {
          if (reply !== undefined) write(response, reply)
        },
        (error: unknown) => {
          write(response, { status: 500, body: `the test's answer failed: ${String(error)}` })
        },
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

function write(response: ServerResponse, { status = 200, headers = {}, body = '' }: NonNullable<Reply>): void {
  const type = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8'
  response.writeHead(status, { 'content-type': type, ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}
