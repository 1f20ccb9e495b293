import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
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
  /** Each waits for {@link Ordered.release}. Its client may be gone by then; the API server is asked all the same. */
  readonly held?: boolean
}

/** What has become of a fault that was ordered. It only grows: a test that looks late misses nothing. */
export interface Ordered {
  /** Requests that have met with it. */
  readonly met: number
  /** What the API server answered to those that went on to it: HTTP status codes. */
  readonly answers: readonly number[]
  /** Requests that are held go on; no more are held. */
  release(): void
}

class OrderedFault implements Ordered {
  readonly fault: Fault
  met = 0
  readonly answers: number[] = []
  readonly released: Promise<void>
  readonly release: () => void

  constructor(fault: Fault) {
    this.fault = fault
    const { promise, resolve } = Promise.withResolvers<void>()
    this.released = promise
    this.release = resolve
    if (fault.held !== true) resolve()
  }
}

/** A way to the real API server on which requests meet with what one orders. */
export class FaultyWay {
  readonly #identity: Identity
  readonly #agent: Agent
  readonly #server = createServer((incoming, response) => {
    this.#pass(incoming, response).catch(() => response.destroy())
  })
  #faults: OrderedFault[] = []

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

  order(fault: Fault): Ordered {
    const ordered = new OrderedFault(fault)
    this.#faults.push(ordered)
    return ordered
  }

  /** How many of what was ordered have not come to pass; they do not any more, and what is held goes on. */
  clear(): number {
    const left = this.#faults.reduce((sum, { fault, met }) => sum + fault.times - met, 0)
    for (const ordered of this.#faults) ordered.release()
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
    const found = this.#faults.find(
      ({ fault, met }) => met < fault.times && fault.method === method && fault.path.test(url),
    )
    if (found !== undefined) {
      found.met++
      const { status, message = 'ordered by a test', headers } = found.fault
      await found.released
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
    found?.answers.push(answer.statusCode ?? 502)
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.on('error', () => response.destroy())
    answer.pipe(response)
  }
}
