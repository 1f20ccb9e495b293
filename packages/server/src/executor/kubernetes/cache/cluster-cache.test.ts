import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { pino } from 'pino'
import type { ApiRequest } from '../api/api-client.ts'
import { attemptLabel, objectName } from '../objects/names.ts'
import { ClusterCache } from './cluster-cache.ts'

interface WatchEvent {
  readonly type: string
  readonly object: object
}

/** An API server with an empty cluster, whose watches yield what a test emits. */
class StubApi {
  readonly #watches = new Map<string, (event: WatchEvent) => void>()

  get<T>(): Promise<T> {
    return Promise.resolve({ metadata: { resourceVersion: '1' }, items: [] } as T)
  }

  getWithRetry<T>(): Promise<T> {
    return this.get()
  }

  async *watch<T>(path: string, { signal }: ApiRequest): AsyncIterable<{ type: string; object: T }> {
    const emitted: WatchEvent[] = []
    let wake = Promise.withResolvers<void>()
    this.#watches.set(path.replace(/.*\//, ''), (event) => {
      emitted.push(event)
      wake.resolve()
    })
    signal.addEventListener('abort', () => {
      wake.reject(signal.reason as Error)
    })
    for (;;) {
      await wake.promise
      wake = Promise.withResolvers()
      for (const { type, object } of emitted.splice(0)) yield { type, object: object as T }
    }
  }

  get isWatched(): boolean {
    return ['jobs', 'pods', 'nodes', 'events'].every((resource) => this.#watches.has(resource))
  }

  /** Emits an event of a watch, and waits until the cache has applied it. */
  async emit(resource: 'jobs' | 'pods' | 'events', type: string, object: object): Promise<void> {
    this.#watches.get(resource)?.({ type, object })
    for (let turn = 0; turn < 3; turn++) await setImmediate()
  }
}

describe('the cluster cache', () => {
  let api: StubApi
  let cache: ClusterCache
  let version: number
  beforeEach(async () => {
    api = new StubApi()
    version = 1
    cache = new ClusterCache({
      api,
      namespace: 'jobs',
      instance: 'test',
      gpuResource: 'nvidia.com/gpu',
      listSeconds: 3600,
      onChange: () => undefined,
      log: pino({ level: 'silent' }),
    })
    await cache.open()
    while (!api.isWatched) await setImmediate()
  })
  afterEach(() => cache.close())

  const metadata = (name: string, attemptId: string) => ({
    name,
    resourceVersion: String(++version),
    labels: { [attemptLabel]: attemptId },
  })
  const job = (id: string) => ({ metadata: metadata(objectName('test', id), id) })
  const pod = (id: string) => ({ metadata: metadata(`${objectName('test', id)}-x`, id) })
  const warning = (kind: 'Job' | 'Pod', id: string, reason = 'FailedCreate') => ({
    involvedObject: { kind, name: kind === 'Job' ? objectName('test', id) : `${objectName('test', id)}-x` },
    reason,
    message: `${kind} ${id}`,
  })

  it('has the latest warning about an attempt until the last of its objects is gone', async () => {
    await api.emit('jobs', 'ADDED', job('a-1'))
    await api.emit('pods', 'ADDED', pod('a-1'))
    await api.emit('events', 'ADDED', warning('Job', 'a-1'))
    await api.emit('events', 'MODIFIED', warning('Pod', 'a-1', 'FailedMount'))
    assert.equal(cache.warnings.get('a-1', Date.now())?.reason, 'FailedMount')
    await api.emit('jobs', 'DELETED', job('a-1'))
    assert.equal(cache.warnings.size, 1, 'its pod is there')
    await api.emit('pods', 'DELETED', pod('a-1'))
    assert.equal(cache.warnings.size, 0)
  })

  it('drops a warning about a pod after three minutes, and keeps one about a Job', async () => {
    await api.emit('jobs', 'ADDED', job('a-1'))
    await api.emit('pods', 'ADDED', pod('a-1'))
    await api.emit('events', 'ADDED', warning('Pod', 'a-1'))
    const later = Date.now() + 200_000
    assert.equal(cache.warnings.get('a-1', later), undefined)
    await api.emit('events', 'ADDED', warning('Job', 'a-1'))
    assert.ok(cache.warnings.get('a-1', later))
  })

  it('does not grow with the attempts that came and went, whatever the order of their objects and warnings', async () => {
    const kinds = fc.constantFrom('job', 'pod', 'no job', 'no pod', 'job warning', 'pod warning')
    const steps = fc.array(fc.record({ kind: kinds, id: fc.constantFrom('a-1', 'b-1', 'c-1') }), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        for (const { kind, id } of taken) {
          if (kind === 'job') await api.emit('jobs', 'ADDED', job(id))
          if (kind === 'pod') await api.emit('pods', 'ADDED', pod(id))
          if (kind === 'no job') await api.emit('jobs', 'DELETED', job(id))
          if (kind === 'no pod') await api.emit('pods', 'DELETED', pod(id))
          if (kind === 'job warning') await api.emit('events', 'ADDED', warning('Job', id))
          if (kind === 'pod warning') await api.emit('events', 'ADDED', warning('Pod', id))
          const present = new Set([...cache.jobs.values(), ...cache.pods.values()].map(({ attemptId }) => attemptId))
          assert.ok(cache.warnings.size <= present.size)
        }
        for (const id of ['a-1', 'b-1', 'c-1']) {
          await api.emit('pods', 'DELETED', pod(id))
          await api.emit('jobs', 'DELETED', job(id))
          await api.emit('events', 'ADDED', warning('Job', id))
        }
        assert.equal(cache.warnings.size, 0)
      }),
    )
  })
})
