import { once } from 'node:events'
import { createServer, request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'

/** What came to a {@link RecordingProxy}. */
export interface RecordedRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
}

/** A way to a registry on which everything that is asked is written down. */
export interface RecordingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string
  readonly requests: RecordedRequest[]
  /** Answers instead of the registry while it is set and returns something. */
  answerInstead?: (
    request: RecordedRequest,
  ) => { status: number; headers?: OutgoingHttpHeaders; body?: string } | undefined
  stop(): Promise<void>
}

/** Passes requests on to a registry, unless told to answer them itself. */
export async function startRecordingProxy(registry: string): Promise<RecordingProxy> {
  const requests: RecordedRequest[] = []
  const server = createServer((asked, answer) => {
    const { method = 'GET', url: path = '/' } = asked
    const recorded = { method, path, authorization: asked.headers.authorization }
    requests.push(recorded)
    const instead = proxy.answerInstead?.(recorded)
    if (instead !== undefined) return void answer.writeHead(instead.status, instead.headers).end(instead.body)
    // The registry makes addresses of what it takes for its own.
    const headers: IncomingHttpHeaders = { ...asked.headers, host: proxy.host }
    const onward = request(`http://${registry}${path}`, { method, headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers)
      got.on('error', () => answer.destroy())
      got.pipe(answer)
    })
    onward.on('error', () => answer.destroy())
    asked.pipe(onward)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no address')
  const proxy: RecordingProxy = {
    host: `127.0.0.1:${address.port}`,
    requests,
    stop: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return proxy
}
