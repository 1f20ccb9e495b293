import { connect, type Socket } from 'node:net'

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** All that came. */
  readonly text: string
  /** Of every answer in it: what was sent may have been more than one request, or taken for more. */
  readonly statuses: readonly number[]
}

/** A connection to where a URL points. */
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
 * Sends these very bytes and returns what comes back until the server lets go of the connection. A request that is to be
 * understood should ask for that: `Connection: close`. After `patienceMs` we let go.
 */
export async function exchange(url: string, bytes: string | Uint8Array, patienceMs = 20_000): Promise<RawAnswer> {
  const socket = await connection(url)
  const chunks: Buffer[] = []
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      socket.destroy()
    }, patienceMs)
    // A server that lets go before it has read all resets the connection; what it said has come.
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

/** A request in full; `headers` are lines without their end. */
export const request = (target: string, headers: readonly string[] = [], body = '', method = 'GET'): string =>
  [`${method} ${target} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers, '', body].join('\r\n')
