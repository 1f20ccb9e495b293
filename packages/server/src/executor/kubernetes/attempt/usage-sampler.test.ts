import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { Usage } from '@science-platform/contract'
import { pino } from 'pino'
import { KubernetesApi } from '../api/api-client.ts'
import { podRecord, type PodRecord } from '../cache/records.ts'
import { UsageSampler } from './usage-sampler.ts'

/** The pod of a running attempt. */
const pod = (name: string, attemptId: string): PodRecord =>
  podRecord({
    metadata: { name, labels: { 'canfar.net/attempt': attemptId } },
    spec: { nodeName: 'node-1', containers: [] },
  })

/** An answer of a metrics server (metrics.k8s.io/v1beta1 PodMetrics). */
const podMetrics = (name: string, containers: Readonly<Record<string, { cpu: string; memory: string }>>) => ({
  metadata: { name, namespace: 'jobs', creationTimestamp: '2026-01-01T12:00:00Z' },
  timestamp: '2026-01-01T11:59:51Z',
  window: '15.042s',
  containers: Object.entries(containers).map(([container, usage]) => ({ name: container, usage })),
})

describe('usage from the metrics server', () => {
  let closing: AbortController
  /** The answer to each path, and the paths that were requested. */
  let answers: Record<string, object>
  let asked: string[]
  let logged: string
  /** Runs after a request was received, and before it is answered. */
  let beforeAnswer: () => void
  let server: ReturnType<typeof createServer>
  let api: KubernetesApi

  beforeEach(async () => {
    closing = new AbortController()
    answers = {}
    asked = []
    logged = ''
    beforeAnswer = () => undefined
    server = createServer(({ url = '' }, response) => {
      asked.push(url)
      beforeAnswer()
      const answer = answers[url]
      const status = { kind: 'Status', status: 'Failure', reason: 'NotFound', message: 'the server could not find it' }
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(answer ?? status))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const identity = { server: url, tls: {}, headers: {} }
    api = new KubernetesApi(() => Promise.resolve(identity), { log: pino({ level: 'silent' }) })
  })
  afterEach(async () => {
    closing.abort(new Error('The test is over.'))
    api.close()
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })

  const path = '/apis/metrics.k8s.io/v1beta1/namespaces/jobs/pods'
  const samplerOf = (pods: () => readonly PodRecord[]): UsageSampler => {
    const log = pino({ level: 'warn' }, { write: (line: string) => (logged += line) })
    const signal = closing.signal
    return new UsageSampler({ api, source: 'metrics', namespace: 'jobs', pods, signal, log })
  }
  /** Samples at once, by a second start: the next sample would come in 15 s. */
  const sample = async (sampler: UsageSampler, attemptId: string, wanted: (usage: Usage | undefined) => boolean) => {
    sampler.start()
    return eventually(() => (wanted(sampler.now(attemptId)) ? (sampler.now(attemptId) ?? {}) : undefined))
  }

  it('is that of the container of the job, in cores and bytes', async () => {
    answers[path] = {
      kind: 'PodMetricsList',
      apiVersion: 'metrics.k8s.io/v1beta1',
      metadata: {},
      items: [
        podMetrics('of-others', { job: { cpu: '9', memory: '9Gi' } }),
        podMetrics('sp-a-1-x', {
          sidecar: { cpu: '7', memory: '7Gi' },
          job: { cpu: '1500000000n', memory: '20480Ki' },
        }),
        podMetrics('sp-b-1-x', { job: { cpu: '250m', memory: '1Gi' } }),
        podMetrics('sp-c-1-x', { sidecar: { cpu: '7', memory: '7Gi' } }),
      ],
    }
    const sampler = samplerOf(() => [pod('sp-a-1-x', 'a-1'), pod('sp-b-1-x', 'b-1'), pod('sp-c-1-x', 'c-1')])
    const a = await sample(sampler, 'a-1', (usage) => usage !== undefined)
    assert.deepEqual(a, { cores: 1.5, memoryBytes: 20 * 2 ** 20, memoryPeakBytes: 20 * 2 ** 20 })
    assert.deepEqual(sampler.now('b-1'), { cores: 0.25, memoryBytes: 2 ** 30, memoryPeakBytes: 2 ** 30 })
    assert.equal(sampler.now('c-1'), undefined)
    assert.deepEqual(asked, [path])
  })

  it('has the peak of memory, and only totals after the end', async () => {
    const uses = (cpu: string, memory: string) => {
      answers[path] = { items: [podMetrics('sp-a-1-x', { job: { cpu, memory } })] }
    }
    const sampler = samplerOf(() => [pod('sp-a-1-x', 'a-1')])
    uses('2', '2Gi')
    await sample(sampler, 'a-1', (usage) => usage?.cores === 2)
    uses('1', '1Gi')
    const usage = await sample(sampler, 'a-1', (now) => now?.cores === 1)
    assert.deepEqual(usage, { cores: 1, memoryBytes: 2 ** 30, memoryPeakBytes: 2 ** 31 })
    assert.deepEqual(sampler.remove('a-1'), { cores: 1, memoryPeakBytes: 2 ** 31 })
    assert.deepEqual([sampler.now('a-1'), sampler.remove('a-1')], [undefined, undefined])
  })

  it('drops a sample of an attempt that ended during the request', async () => {
    answers[path] = {
      items: ['a', 'b'].map((name) => podMetrics(`sp-${name}-1-x`, { job: { cpu: '1', memory: '1Gi' } })),
    }
    let running = [pod('sp-a-1-x', 'a-1'), pod('sp-b-1-x', 'b-1')]
    beforeAnswer = () => {
      running = running.slice(1)
    }
    const sampler = samplerOf(() => running)
    await sample(sampler, 'b-1', (usage) => usage !== undefined)
    assert.equal(sampler.now('a-1'), undefined)
  })

  it('is not requested while nothing runs', async () => {
    samplerOf(() => []).start()
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(asked, [])
  })

  it('is unknown where there is no metrics server, which the log says', async () => {
    const sampler = samplerOf(() => [pod('sp-a-1-x', 'a-1')])
    sampler.start()
    await eventually(() => (logged === '' ? undefined : logged))
    assert.match(logged, /sampling the usage of running jobs failed/)
    assert.match(logged, /the server could not find it/)
    assert.equal(sampler.now('a-1'), undefined)
  })
})

async function eventually<T>(ask: () => T | undefined): Promise<T> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline;) {
    const answer = ask()
    if (answer !== undefined) return answer
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('timeout after 10 s')
}
