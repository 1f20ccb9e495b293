import { once } from 'node:events'
import { createServer, request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'

/** A request to a {@link RecordingProxy}. */
export interface RecordedRequest {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
}

/** A proxy to a registry that records all requests. */
export interface RecordingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string
  readonly requests: RecordedRequest[]
  /** If set, answers instead of the registry. Undefined passes the request on. */
  answerInstead?: (
    request: RecordedRequest,
  ) => { status: number; headers?: OutgoingHttpHeaders; body?: string } | undefined
  stop(): Promise<void>
}

/** Starts a proxy that passes requests on to a registry. */
export async function startRecordingProxy(registry: string): Promise<RecordingProxy> {
  const requests: RecordedRequest[] = []
  const server = createServer((incoming, answer) => {
    const { method = 'GET', url: path = '/' } = incoming
    const recorded = { method, path, authorization: incoming.headers.authorization }
    requests.push(recorded)
    const instead = proxy.answerInstead?.(recorded)
    if (instead !== undefined) return void answer.writeHead(instead.status, instead.headers).end(instead.body)
    // The registry builds addresses from the host of the request.
    const headers: IncomingHttpHeaders = { ...incoming.headers, host: proxy.host }
    const onward = request(`http://${registry}${path}`, { method, headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers)
      got.on('error', () => answer.destroy())
      got.pipe(answer)
    })
    onward.on('error', () => answer.destroy())
    incoming.pipe(onward)
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
