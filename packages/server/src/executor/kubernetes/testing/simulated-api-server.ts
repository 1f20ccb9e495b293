import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { IdentitySource } from '../credentials/kubeconfig.ts'

/** An object as the simulated API server stores it. */
interface StoredObject {
  metadata: { name: string; resourceVersion: string; deletionTimestamp?: string; finalizers?: string[] | null }
  [field: string]: unknown
}

/** The log of every pod, with the time that the API server puts before a line. */
const logOfEveryPod = '2026-11-23T10:00:00.000000001Z hello\n'

/** Requests of a method to a path that are held until they are released. */
interface Hold {
  readonly method: string
  readonly path: RegExp
  readonly released: PromiseWithResolvers<void>
  held: number
}

/**
 * A simulated API server: it stores objects, lets finalizers delay deletions, and reports changes to watches. No controllers
 * and no nodes act on the objects.
 */
export class SimulatedApiServer {
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch(() => response.destroy())
  })
  readonly #objects = new Map<string, StoredObject>()
  readonly #watches = new Map<ServerResponse, string>()
  #holds: Hold[] = []
  #version = 1

  static async open(): Promise<SimulatedApiServer> {
    const server = new SimulatedApiServer()
    await once(server.#server.listen(0, '127.0.0.1'), 'listening')
    return server
  }

  readonly identity: IdentitySource = () =>
    Promise.resolve({
      server: `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`,
      tls: {},
      headers: {},
    })

  /** Holds requests until their release. `held` counts them. */
  hold(method: string, path: RegExp): { readonly held: () => number; readonly release: () => void } {
    const hold: Hold = { method, path, released: Promise.withResolvers(), held: 0 }
    this.#holds.push(hold)
    return {
      held: () => hold.held,
      release: () => {
        this.#holds = this.#holds.filter((one) => one !== hold)
        hold.released.resolve()
      },
    }
  }

  /** The objects at a path, such as `/api/v1/namespaces/jobs/pods`. */
  list(path: string): StoredObject[] {
    return [...this.#objects].filter(([key]) => parentOf(key) === path).map(([, object]) => object)
  }

  /** Creates or replaces an object, and reports it to the watches. */
  upsert(path: string, object: { readonly metadata: { readonly name: string } }): void {
    this.#store(`${path}/${object.metadata.name}`, object as StoredObject, 'MODIFIED')
  }

  async close(): Promise<void> {
    for (const { released } of this.#holds) released.resolve()
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    const { pathname, searchParams } = new URL(url, 'http://simulated')
    const body = method === 'GET' ? {} : ((await json(request).catch(() => ({}))) as Record<string, unknown>)
    for (const hold of this.#holds.filter(({ method: held, path }) => held === method && path.test(pathname))) {
      hold.held++
      await hold.released.promise
    }
    if (searchParams.has('watch')) this.#watch(pathname, response)
    else if (pathname.endsWith('/log')) response.end(logOfEveryPod)
    else {
      const [status, answer] = this.#handle(method, pathname, body)
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    }
  }

  #handle(method: string, path: string, body: Record<string, unknown>): readonly [number, object] {
    if (path.endsWith('selfsubjectaccessreviews')) return [201, { status: { allowed: true } }]
    const object = this.#objects.get(path)
    if (method === 'POST') {
      const created = body as StoredObject
      const key = `${path}/${created.metadata.name}`
      if (this.#objects.has(key)) return [409, { reason: 'AlreadyExists' }]
      return [201, this.#store(key, created, 'ADDED')]
    }
    if (method === 'GET' && object === undefined && !isObjectPath(path)) {
      return [200, { metadata: { resourceVersion: String(this.#version) }, items: this.list(path) }]
    }
    if (object === undefined) return [404, { reason: 'NotFound' }]
    const wanted = (body as Partial<StoredObject>).metadata?.resourceVersion
    if (method === 'PATCH' && wanted !== undefined && wanted !== object.metadata.resourceVersion)
      return [409, { reason: 'Conflict' }]
    if (method === 'PATCH') return [200, this.#settle(path, merged(object, body) as StoredObject)]
    if (method === 'DELETE') {
      const deletionTimestamp = object.metadata.deletionTimestamp ?? new Date().toISOString()
      return [200, this.#settle(path, { ...object, metadata: { ...object.metadata, deletionTimestamp } })]
    }
    return [200, object]
  }

  /** Removes an object that is being deleted and has no finalizers; else stores it. */
  #settle(key: string, object: StoredObject): StoredObject {
    const { deletionTimestamp, finalizers } = object.metadata
    if (deletionTimestamp === undefined || (finalizers ?? []).length > 0) return this.#store(key, object, 'MODIFIED')
    const removed = this.#store(key, object, 'DELETED')
    this.#objects.delete(key)
    return removed
  }

  #store(key: string, object: StoredObject, type: string): StoredObject {
    const metadata = { uid: key, ...object.metadata, resourceVersion: String(++this.#version) }
    const stored = { ...object, metadata }
    this.#objects.set(key, stored)
    for (const [response, path] of this.#watches)
      if (path === parentOf(key)) response.write(`${JSON.stringify({ type, object: stored })}\n`)
    return stored
  }

  #watch(path: string, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
    this.#watches.set(response, path)
    response.on('close', () => this.#watches.delete(response))
  }
}

const parentOf = (key: string): string => key.slice(0, key.lastIndexOf('/'))

/** Whether a path names one object of the namespace. */
const isObjectPath = (path: string): boolean => /\/namespaces\/[^/]+\/[^/]+\/[^/]+$/.test(path)

/** A merge patch (RFC 7386). Pure. */
function merged(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = typeof target === 'object' && target !== null ? { ...target } : {}
  for (const [key, value] of Object.entries(patch))
    if (value === null) delete result[key]
    else result[key] = merged(result[key], value)
  return result
}
