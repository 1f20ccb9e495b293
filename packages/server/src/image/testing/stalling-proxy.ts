import { once } from 'node:events'
import { createServer, request } from 'node:http'

/** A way to a registry on which the blobs stand still until they are let through. */
export interface StallingProxy {
  /** `127.0.0.1:PORT` */
  readonly host: string
  /** Settles when a blob has been asked for and is being held back. */
  readonly stalled: Promise<void>
  letThrough(): void
  stop(): Promise<void>
}

/** Passes requests on to a registry, but holds back the layers until {@link StallingProxy.letThrough}. */
export async function startStallingProxy(registry: string): Promise<StallingProxy> {
  const { promise: stalled, resolve: onStalled } = Promise.withResolvers<void>()
  const { promise: open, resolve: letThrough } = Promise.withResolvers<void>()
  const server = createServer((asked, answer) => {
    const onward = request(
      `http://${registry}${asked.url ?? '/'}`,
      { method: asked.method, headers: asked.headers },
      (got) => {
        answer.writeHead(got.statusCode ?? 502, got.headers)
        // A configuration is a blob too, but a small one.
        const isLayer = asked.url?.includes('/blobs/') === true && Number(got.headers['content-length']) > 10_000
        if (asked.method !== 'GET' || !isLayer) return void got.pipe(answer)
        answer.flushHeaders()
        onStalled()
        void open.then(() => got.pipe(answer))
      },
    )
    onward.on('error', () => answer.destroy())
    asked.pipe(onward)
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
