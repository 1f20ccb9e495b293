import { once } from 'node:events'
import { createServer, request } from 'node:http'

/** A proxy to a registry that holds back the layers. */
export interface StallingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string
  /** Settles when a layer was requested and is held back. */
  readonly stalled: Promise<void>
  letThrough(): void
  stop(): Promise<void>
}

/** Starts a proxy that holds back the layers of a registry until {@link StallingProxy.letThrough}. */
export async function startStallingProxy(registry: string): Promise<StallingProxy> {
  const { promise: stalled, resolve: onStalled } = Promise.withResolvers<void>()
  const { promise: open, resolve: letThrough } = Promise.withResolvers<void>()
  const server = createServer((incoming, answer) => {
    const onward = request(
      `http://${registry}${incoming.url ?? '/'}`,
      { method: incoming.method, headers: incoming.headers },
      (got) => {
        answer.writeHead(got.statusCode ?? 502, got.headers)
        // A configuration is a blob too, but a small one.
        const isLayer = incoming.url?.includes('/blobs/') === true && Number(got.headers['content-length']) > 10_000
        if (incoming.method !== 'GET' || !isLayer) return void got.pipe(answer)
        answer.flushHeaders()
        onStalled()
        void open.then(() => got.pipe(answer))
      },
    )
    onward.on('error', () => answer.destroy())
    incoming.pipe(onward)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no address')
  return {
    host: `127.0.0.1:${address.port}`,
    stalled,
    letThrough,
    stop: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
