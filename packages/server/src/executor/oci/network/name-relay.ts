import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { Logger } from 'pino'

/** Queries and connections of jobs at once; more are dropped, and a resolver asks again. */
const atOnce = 512
/** Milliseconds that a name server may take: a resolver waits 5 s (resolv.conf(5)). */
const answerWithinMs = 6000

/**
 * Relays DNS from the gateway of jobs to name servers that only the machine itself reaches, such as one on 127.0.0.1. The machine's
 * server sees queries of the machine.
 */
export class NameRelay {
  readonly #log: Pick<Logger, 'info' | 'warn'>
  readonly #port: number
  #upstreams: readonly string[] = []
  #datagrams: DatagramSocket | undefined
  #server: Server | undefined
  #underWay = 0
  readonly #connections = new Set<Socket>()

  /** @param port port of DNS, at the gateway and at the name servers. */
  constructor(log: Pick<Logger, 'info' | 'warn'>, port = 53) {
    this.#log = log
    this.#port = port
  }

  /** Relays to these servers from now on; to none: closes. */
  async serve(gateway: string, upstreams: readonly string[]): Promise<void> {
    this.#upstreams = upstreams
    if (upstreams.length === 0) return this.close()
    if (this.#datagrams !== undefined) return
    try {
      this.#datagrams = await this.#listenForDatagrams(gateway)
      this.#server = await this.#listenForConnections(gateway)
      this.#log.info({ gateway, upstreams }, 'names of jobs are looked up by the name server of this machine')
    } catch (error) {
      this.close()
      // A name server that listens on every address also answers at the gateway.
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      this.#log.info({ gateway }, 'jobs ask the program that listens on port 53 of their gateway')
    }
  }

  close(): void {
    this.#datagrams?.close()
    this.#server?.close()
    for (const socket of this.#connections) socket.destroy()
    this.#datagrams = undefined
    this.#server = undefined
  }

  async #listenForDatagrams(gateway: string): Promise<DatagramSocket> {
    const socket = createSocket('udp4', (query, from) => {
      this.#ask(query, 0, (answer) => {
        // The job may be gone, and the bridge with it.
        if (this.#datagrams === socket) socket.send(answer, from.port, from.address, () => undefined)
      })
    })
    socket.bind(this.#port, gateway)
    await once(socket, 'listening')
    socket.on('error', (error) => {
      this.#log.warn({ err: error }, 'names of jobs are not relayed')
    })
    return socket.unref()
  }

  /** Asks one server after the other: a server that refuses or is silent is passed over. */
  #ask(query: Buffer, index: number, answered: (answer: Buffer) => void): void {
    const server = this.#upstreams[index]
    if (server === undefined || this.#underWay >= atOnce) return
    this.#underWay++
    const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4')
    const done = (answer?: Buffer): void => {
      if (!this.#finish(socket, timer)) return
      if (answer === undefined) this.#ask(query, index + 1, answered)
      else answered(answer)
    }
    const timer = setTimeout(done, answerWithinMs / this.#upstreams.length).unref()
    socket.on('error', () => {
      done()
    })
    socket.on('message', (answer) => {
      // Another answer than that to this query has another number (RFC 1035, 4.1.1).
      if (answer.subarray(0, 2).equals(query.subarray(0, 2))) done(answer)
    })
    socket.connect(this.#port, server, () => {
      socket.send(query, (error) => {
        if (error !== null) done()
      })
    })
  }

  #finish(socket: DatagramSocket, timer: NodeJS.Timeout): boolean {
    clearTimeout(timer)
    try {
      socket.close()
    } catch {
      return false // it was closed before
    }
    this.#underWay--
    return true
  }

  async #listenForConnections(gateway: string): Promise<Server> {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const [upstream] = this.#upstreams
      if (upstream === undefined || this.#connections.size >= 2 * atOnce) return client.destroy()
      const asked = connect({ port: this.#port, host: upstream, allowHalfOpen: true })
      for (const [socket, other] of [
        [client, asked],
        [asked, client],
      ] as const) {
        this.#connections.add(socket)
        socket.setTimeout(answerWithinMs, () => socket.destroy())
        socket.on('error', () => socket.destroy())
        socket.on('close', () => {
          this.#connections.delete(socket)
          other.destroySoon()
        })
        socket.pipe(other)
      }
    })
    server.listen(this.#port, gateway)
    await once(server, 'listening')
    return server.unref()
  }
}
