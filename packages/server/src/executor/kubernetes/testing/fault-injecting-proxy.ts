import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Identity, IdentitySource } from '../credentials/kubeconfig.ts'

/** What happens to requests instead of their usual course. */
export interface Fault {
  readonly method: string
  readonly path: RegExp
  /** How many of them. */
  readonly times: number
  /** Answers this. 0: the connection is cut. Absent: the request goes on to the API server. */
  readonly status?: number
  readonly message?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Milliseconds before. Whoever asked may be gone by then; the API server is asked all the same. */
  readonly delayMs?: number
}

/** A way to the real API server on which requests meet with what one orders. */
export class FaultyWay {
  readonly #identity: Identity
  readonly #agent: Agent
  readonly #server = createServer((incoming, response) => {
    this.#pass(incoming, response).catch(() => response.destroy())
  })
  #faults: { fault: Fault; left: number }[] = []

  private constructor(identity: Identity) {
    this.#identity = identity
    this.#agent = new Agent({ ...identity.tls, keepAlive: true })
  }

  static async open(source: IdentitySource): Promise<FaultyWay> {
    const way = new FaultyWay(await source(false))
    await once(way.#server.listen(0, '127.0.0.1'), 'listening')
    return way
  }

  /** For whoever is to go this way. */
  readonly identity: IdentitySource = () =>
    Promise.resolve({
      server: `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`,
      tls: {},
      headers: {},
    })

  order(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times })
  }

  /** How many of what was ordered have not come to pass; they do not any more. */
  clear(): number {
    const left = this.#faults.reduce((sum, one) => sum + one.left, 0)
    this.#faults = []
    return left
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
    this.#agent.destroy()
  }

  async #pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = incoming
    const body = await buffer(incoming)
    const found = this.#faults.find(({ fault, left }) => left > 0 && fault.method === method && fault.path.test(url))
    if (found !== undefined) {
      found.left--
      const { status, message = 'ordered by a test', headers, delayMs = 0 } = found.fault
      await sleep(delayMs)
      if (status === 0) {
        response.destroy()
        return
      }
      if (status !== undefined) {
        response.writeHead(status, { 'content-type': 'application/json', ...headers })
        response.end(JSON.stringify({ kind: 'Status', message }))
        return
      }
    }
    const onward = request(`${this.#identity.server}${url}`, {
      agent: this.#agent,
      method,
      headers: { ...incoming.headers, ...this.#identity.headers, host: new URL(this.#identity.server).host },
    })
    // A watch that its reader leaves ends; a change is made all the same.
    if (method === 'GET') response.on('close', () => onward.destroy())
    onward.end(body)
    const [answer] = (await once(onward, 'response')) as [IncomingMessage]
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.on('error', () => response.destroy())
    answer.pipe(response)
  }
}
