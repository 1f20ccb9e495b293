import type { Usage } from '@science-platform/contract'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { KubernetesConfig } from '../../../configuration/config.ts'
import type { KubernetesApi } from '../api/api-client.ts'
import { containerName } from '../objects/names.ts'
import { parseQuantity } from '../objects/quantity.ts'
import type { PodRecord } from '../cache/records.ts'

/** Settings of {@link UsageSampler}. */
export interface UsageSamplerOptions {
  readonly api: KubernetesApi
  readonly source: KubernetesConfig['usage']
  readonly namespace: string
  /** The pods of the attempts that run. */
  readonly pods: () => readonly PodRecord[]
  readonly signal: AbortSignal
  readonly log: Logger
}

/** Seconds between two samples. */
const sampleSeconds = 15

/** Samples the usage of running attempts every 15 s, and accumulates it until they end. */
export class UsageSampler {
  readonly #options: UsageSamplerOptions
  readonly #usages = new Map<string, Usage>()
  #hasFailed = false

  constructor(options: UsageSamplerOptions) {
    this.#options = options
  }

  /** Begins to sample in the background, until the signal. */
  start(): void {
    if (this.#options.source !== 'none') void this.#run()
  }

  /** The latest sample of a running attempt; undefined before the first. */
  now(attemptId: string): Usage | undefined {
    return this.#usages.get(attemptId)
  }

  /** Removes the usage of an attempt that has ended; returns it. Undefined for an attempt that was too short for a sample. */
  remove(attemptId: string): Usage | undefined {
    const usage = this.#usages.get(attemptId)
    this.#usages.delete(attemptId)
    if (usage === undefined) return undefined
    const { memoryBytes: _, ...total } = usage
    return total
  }

  async #run(): Promise<void> {
    const { signal, log, source } = this.#options
    while (!signal.aborted) {
      try {
        if (source === 'metrics') await this.#sampleMetrics()
        else await this.#sampleNodes()
        this.#hasFailed = false
      } catch (error) {
        if (!signal.aborted && !this.#hasFailed)
          log.warn({ err: error }, 'sampling the usage of running jobs failed, retrying')
        this.#hasFailed = true
      }
      await sleep(sampleSeconds * 1000, undefined, { signal }).catch(() => undefined)
    }
  }

  async #sampleMetrics(): Promise<void> {
    const { api, namespace, signal, pods } = this.#options
    const running = new Map(pods().map((pod) => [pod.name, pod.attemptId]))
    if (running.size === 0) return
    type Metrics = {
      items: { metadata: { name: string }; containers: { name: string; usage: Record<string, string> }[] }[]
    }
    const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods`
    const { items } = await api.get<Metrics>(path, { signal })
    const samples = new Map<string, Usage>()
    for (const { metadata, containers } of items) {
      const attemptId = running.get(metadata.name)
      const used = containers.find(({ name }) => name === containerName)?.usage
      if (attemptId === undefined || used === undefined) continue
      samples.set(attemptId, { cores: parseQuantity(used['cpu']), memoryBytes: parseQuantity(used['memory']) })
    }
    this.#apply(samples)
  }

  async #sampleNodes(): Promise<void> {
    const { api, signal, pods } = this.#options
    const byNode = Map.groupBy(
      pods().filter(({ node }) => node !== undefined),
      ({ node }) => node ?? '',
    )
    for (const [node, here] of byNode) {
      const running = new Map(here.map((pod) => [pod.name, pod.attemptId]))
      const { pods: summaries } = await api.get<Summary>(`/api/v1/nodes/${node}/proxy/stats/summary`, { signal })
      const samples = new Map<string, Usage>()
      for (const { podRef, containers = [] } of summaries) {
        const attemptId = running.get(podRef.name)
        const stats = containers.find(({ name }) => name === containerName)
        if (attemptId === undefined || stats === undefined) continue
        const { cpu = {}, memory = {} } = stats
        samples.set(attemptId, {
          ...(cpu.usageCoreNanoSeconds === undefined ? {} : { cpuSeconds: cpu.usageCoreNanoSeconds / 1e9 }),
          ...(cpu.usageNanoCores === undefined ? {} : { cores: cpu.usageNanoCores / 1e9 }),
          ...(memory.workingSetBytes === undefined ? {} : { memoryBytes: memory.workingSetBytes }),
        })
      }
      this.#apply(samples)
    }
  }

  #apply(samples: ReadonlyMap<string, Usage>): void {
    // An attempt may have ended during the request. Its usage was removed then, and must not come back.
    for (const { attemptId } of this.#options.pods()) {
      const sample = samples.get(attemptId)
      if (sample === undefined) continue
      const before = this.#usages.get(attemptId)
      const peak = Math.max(before?.memoryPeakBytes ?? 0, sample.memoryBytes ?? 0)
      this.#usages.set(attemptId, { ...before, ...sample, ...(peak === 0 ? {} : { memoryPeakBytes: peak }) })
    }
  }
}

/** The part of a kubelet's summary that is read (k8s.io/kubelet/pkg/apis/stats/v1alpha1). */
interface Summary {
  readonly pods: readonly {
    readonly podRef: { readonly name: string }
    readonly containers?: readonly {
      readonly name: string
      readonly cpu?: { readonly usageNanoCores?: number; readonly usageCoreNanoSeconds?: number }
      readonly memory?: { readonly workingSetBytes?: number }
    }[]
  }[]
}
