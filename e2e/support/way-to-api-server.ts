import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** Passes connections on to the API server of the test cluster. */
export class WayToApiServer {
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

  /** @param port 0: any that is free. */
  static async open(host: string, port = 0): Promise<WayToApiServer> {
    const way = new WayToApiServer()
    way.#server.listen(port, host)
    await once(way.#server, 'listening')
    return way
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** What is said on the connections that there are reaches nobody any more, as with a router that forgot them. */
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
