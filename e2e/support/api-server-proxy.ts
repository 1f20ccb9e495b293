import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A TCP proxy to the API server of the test cluster. */
export class ApiServerProxy {
  readonly #server = createServer((client) => {
    const target = connect(6443, '127.0.0.1')
    for (const socket of [client, target]) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => this.#sockets.delete(socket))
    }
    client.pipe(target).pipe(client)
    client.on('close', () => target.destroy())
    target.on('close', () => client.destroy())
  })
  readonly #sockets = new Set<Socket>()

  /** @param port 0: any free port. */
  static async open(host: string, port = 0): Promise<ApiServerProxy> {
    const proxy = new ApiServerProxy()
    proxy.#server.listen(port, host)
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Drops the bytes of all open connections, like a router that lost their state. */
  freeze(): void {
    for (const socket of this.#sockets) {
      socket.unpipe()
      socket.pause()
    }
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
