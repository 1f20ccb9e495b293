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
  /** The pods that run. */
  readonly pods: () => readonly PodRecord[]
  readonly signal: AbortSignal
  readonly log: Logger
}

/** Seconds between two samples. */
const sampleSeconds = 15

/** Asks now and then what running attempts use, and remembers the most they did. */
export class UsageSampler {
  readonly #options: UsageSamplerOptions
  readonly #usages = new Map<string, Usage>()
  #complained = false

  constructor(options: UsageSamplerOptions) {
    this.#options = options
  }

  /** Begins to sample, until the signal. */
  start(): void {
    if (this.#options.source !== 'none') void this.#run()
  }

  /** The latest figures of an attempt that runs; undefined when there are none yet. */
  now(attemptId: string): Usage | undefined {
    return this.#usages.get(attemptId)
  }

  /** What an attempt that has ended used, as far as it was seen. */
  total(attemptId: string): Usage | undefined {
    const usage = this.#usages.get(attemptId)
    if (usage === undefined) return undefined
    const { memoryBytes: _, ...lasting } = usage
    return lasting
  }

  forget(attemptId: string): void {
    this.#usages.delete(attemptId)
  }

  async #run(): Promise<void> {
    const { signal, log, source } = this.#options
    while (!signal.aborted) {
      try {
        if (source === 'metrics') await this.#askMetrics()
        else await this.#askNodes()
        this.#complained = false
      } catch (error) {
        if (!signal.aborted && !this.#complained)
          log.warn({ err: error }, 'what running jobs use could not be asked for')
        this.#complained = true
      }
      await sleep(sampleSeconds * 1000, undefined, { signal }).catch(() => undefined)
    }
  }

  async #askMetrics(): Promise<void> {
    const { api, namespace, signal, pods } = this.#options
    const running = new Map(pods().map((pod) => [pod.name, pod.attemptId]))
    if (running.size === 0) return
    type Metrics = {
      items: { metadata: { name: string }; containers: { name: string; usage: Record<string, string> }[] }[]
    }
    const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods`
    for (const { metadata, containers } of (await api.get<Metrics>(path, { signal })).items) {
      const attemptId = running.get(metadata.name)
      const used = containers.find(({ name }) => name === containerName)?.usage
      if (attemptId === undefined || used === undefined) continue
      this.#learn(attemptId, { cores: parseQuantity(used['cpu']), memoryBytes: parseQuantity(used['memory']) })
    }
  }

  async #askNodes(): Promise<void> {
    const { api, signal, pods } = this.#options
    const byNode = Map.groupBy(
      pods().filter(({ node }) => node !== undefined),
      ({ node }) => node ?? '',
    )
    for (const [node, here] of byNode) {
      const running = new Map(here.map((pod) => [pod.name, pod.attemptId]))
      const { pods: told } = await api.get<Summary>(`/api/v1/nodes/${node}/proxy/stats/summary`, { signal })
      for (const { podRef, containers = [] } of told) {
        const attemptId = running.get(podRef.name)
        const stats = containers.find(({ name }) => name === containerName)
        if (attemptId === undefined || stats === undefined) continue
        const { cpu = {}, memory = {} } = stats
        this.#learn(attemptId, {
          ...(cpu.usageCoreNanoSeconds === undefined ? {} : { cpuSeconds: cpu.usageCoreNanoSeconds / 1e9 }),
          ...(cpu.usageNanoCores === undefined ? {} : { cores: cpu.usageNanoCores / 1e9 }),
          ...(memory.workingSetBytes === undefined ? {} : { memoryBytes: memory.workingSetBytes }),
        })
      }
    }
  }

  #learn(attemptId: string, sample: Usage): void {
    const before = this.#usages.get(attemptId)
    const peak = Math.max(before?.memoryPeakBytes ?? 0, sample.memoryBytes ?? 0)
    this.#usages.set(attemptId, { ...before, ...sample, ...(peak === 0 ? {} : { memoryPeakBytes: peak }) })
  }
}

/** The part of a kubelet's summary that is used (k8s.io/kubelet/pkg/apis/stats/v1alpha1). */
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
