import { connect, type Socket } from 'node:net'

/** A raw answer. */
export interface RawAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** All received data. */
  readonly text: string
  /** The status of every answer in the data: the server may have seen more than one request. */
  readonly statuses: readonly number[]
}

/** A connection to the host of a URL. */
export async function connection(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  return socket
}

/**
 * Sends exact bytes and returns all data until the server closes the connection. A valid request should contain
 * `Connection: close`. After `patienceMs` the client closes it.
 */
export async function exchange(url: string, bytes: string | Uint8Array, patienceMs = 20_000): Promise<RawAnswer> {
  const socket = await connection(url)
  const chunks: Buffer[] = []
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      socket.destroy()
    }, patienceMs)
    // A server that closes before it has read all data resets the connection. Its answer has arrived.
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  })
  return readAnswer(Buffer.concat(chunks).toString('latin1'))
}

function readAnswer(text: string): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const [line = '', ...lines] = head.split('\r\n')
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1] ?? 0),
    headers: lines.map((header) => {
      const colon = header.indexOf(':')
      return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()] as const
    }),
    body: rest.join('\r\n\r\n'),
    text,
    statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)),
  }
}

/** A complete request. `headers` are lines without line breaks. */
export const request = (target: string, headers: readonly string[] = [], body = '', method = 'GET'): string =>
  [`${method} ${target} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers, '', body].join('\r\n')
