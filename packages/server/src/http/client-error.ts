import type { Socket } from 'node:net'
import { headLimit } from './problem.ts'

/** What a request is answered that could not even be read, by the code that Node's parser gives. */
const answers: Readonly<Record<string, readonly [status: string, text: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    `the address and headers have more than ${headLimit} bytes: send the parameters as a form body, or put data into a file under /arc`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request took too long to arrive'],
}

/** Answers what is not a request of HTTP, in one line of text, and lets go of the connection. */
export function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, text] = answers[error.code ?? ''] ?? ['400 Bad Request', 'the request is not well-formed HTTP']
  const body = `${text}\n`
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}
