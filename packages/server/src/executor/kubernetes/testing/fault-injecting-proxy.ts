import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Identity, IdentitySource } from '../credentials/kubeconfig.ts'

/** A fault to inject into requests. */
export interface Fault {
  readonly method: string
  readonly path: RegExp
  /** The number of requests that meet the fault. */
  readonly times: number
  /** The status to answer. 0 cuts the connection; absent, the request is passed to the API server. */
  readonly status?: number
  readonly message?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Each waits for {@link InjectedFault.release}. Its client may be gone by then; the API server is asked all the same. */
  readonly held?: boolean
}

/** The state of an injected fault. Its counts only grow, so a test that looks late misses nothing. */
export interface InjectedFault {
  /** Requests that have met with it. */
  readonly met: number
  /** What the API server answered to those that went on to it: HTTP status codes. */
  readonly answers: readonly number[]
  /** Requests that are held go on; no more are held. */
  release(): void
}

class InjectedFaultState implements InjectedFault {
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

/** A proxy to the real API server that injects faults into requests. */
export class FaultInjectingProxy {
  readonly #identity: Identity
  readonly #agent: Agent
  readonly #server = createServer((incoming, response) => {
    this.#pass(incoming, response).catch(() => response.destroy())
  })
  #faults: InjectedFaultState[] = []

  private constructor(identity: Identity) {
    this.#identity = identity
    this.#agent = new Agent({ ...identity.tls, keepAlive: true })
  }

  static async open(source: IdentitySource): Promise<FaultInjectingProxy> {
    const proxy = new FaultInjectingProxy(await source(false))
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening')
    return proxy
  }

  /** The identity for a client of the proxy. */
  readonly identity: IdentitySource = () =>
    Promise.resolve({
      server: `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`,
      tls: {},
      headers: {},
    })

  /** Injects a fault into the next `times` requests that match. */
  inject(fault: Fault): InjectedFault {
    const injected = new InjectedFaultState(fault)
    this.#faults.push(injected)
    return injected
  }

  /** Removes all faults and releases held requests. Returns the number of requests that have not met theirs. */
  clear(): number {
    const left = this.#faults.reduce((sum, { fault, met }) => sum + fault.times - met, 0)
    for (const injected of this.#faults) injected.release()
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
      const { status, message = 'injected by a test', headers } = found.fault
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
    // A read ends with its client; a change does not.
    if (method === 'GET') response.on('close', () => onward.destroy())
    onward.end(body)
    const [answer] = (await once(onward, 'response')) as [IncomingMessage]
    found?.answers.push(answer.statusCode ?? 502)
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.on('error', () => response.destroy())
    answer.pipe(response)
  }
}
