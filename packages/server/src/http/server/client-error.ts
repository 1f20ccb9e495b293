import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Problem, problemBody } from './problem.ts'
import { readHeadLimit } from './request-limits.ts'
import { plainText } from './plain-text.ts'

/** Answers to requests that could not be parsed, by the error code of Node's HTTP parser. */
const answers: Readonly<Record<string, () => Problem>> = {
  HPE_HEADER_OVERFLOW: () =>
    new Problem('headers-too-large', `The address and headers have more than ${readHeadLimit} bytes.`, {
      hint: 'Send parameters in the body, and put data into a file under /arc.',
    }),
  ERR_HTTP_REQUEST_TIMEOUT: () =>
    new Problem('request-timeout', 'The request took too long to arrive.', {
      hint: 'Send the request again without pauses.',
    }),
}

const malformed = (): Problem =>
  new Problem('invalid-request', 'The request is not well-formed HTTP.', { hint: 'See RFC 9112.' })

/** The last requested address of a connection while its body arrives. */
const arriving = new WeakMap<Socket, string>()

/** Remembers the address of an arriving body, so that a parse error is answered in the format of that part of the server. */
export function rememberArriving(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { headers, socket, url } = request.raw
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined)
      arriving.set(socket, url ?? '')
    done()
  })
}

/** Answers data that is not HTTP and closes the connection. */
export function refuseMalformed(
  error: Pick<NodeJS.ErrnoException, 'code'> & { readonly rawPacket?: unknown },
  socket: Socket,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = (answers[error.code ?? ''] ?? malformed)()
  const { rawPacket } = error
  const begun = rawPacket instanceof Buffer ? rawPacket.toString('latin1', 0, 100) : ''
  const address = /^[A-Z]+ (\S+)/.exec(begun)?.[1] ?? arriving.get(socket)
  const [type, body] = address?.startsWith('/api/')
    ? ['application/problem+json', JSON.stringify(problemBody(problem))]
    : [plainText, `${problem.message} ${problem.hint ?? ''}\n`]
  socket.end(
    `HTTP/1.1 ${problem.status} ${reasons[problem.status] ?? ''}\r\nContent-Type: ${type}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
}
