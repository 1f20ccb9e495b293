import { Platform, testImage } from '../../e2e/support/platform.ts'
import type { BareJobs } from './bare-jobs.ts'

/** A platform whose jobs are on the test cluster. */
export interface ClusterPlatform extends AsyncDisposable {
  readonly namespace: string
  /** The reference of the jobs' image. */
  readonly imageOnNodes: string
  /** Seconds from the submission of a batch until its last job is reported as ended. */
  run(count: number): Promise<number>
  /**
   * Milliseconds from a submission until its Job exists, of the scheduling gate, from the submission until the container runs, and
   * from then until the platform reports it.
   */
  latency(watcher: BareJobs): Promise<{ made: number; gated: number; running: number; told: number }>
}

/** Starts a platform on the test cluster with its own commands. */
export async function startClusterPlatform(): Promise<ClusterPlatform> {
  const platform = await Platform.make()
  // As many jobs at a time as the node accepts pods, so that the cluster is the limit.
  platform.set('SCIENCE_PLATFORM_KUBERNETES_OVERCOMMIT', '100')
  await platform.start()
  const submit = async (count: number): Promise<readonly string[]> => {
    const request = { name: 'bench', image: testImage, cmd: 'true', cores: 1, memoryGb: 1, replicas: count }
    return (await platform.jobs().submit(request)).ids
  }
  return {
    namespace: platform.namespace,
    imageOnNodes: testImage.replace(/^localhost/, `127.0.0.1:5000/${platform.namespace}`),
    run: async (count) => {
      const begun = performance.now()
      const ids = await submit(count)
      const ended = await platform.jobs().wait(ids, { signal: AbortSignal.timeout(600_000) })
      const seconds = (performance.now() - begun) / 1000
      const missing = ended.filter(({ state }) => state !== 'succeeded')
      if (missing.length > 0)
        throw new Error(`${missing.length} of ${count} jobs did not succeed: ${missing[0]?.cause?.message}`)
      return seconds
    },
    latency: async (watcher) => {
      const begun = performance.now()
      const [id = ''] = (
        await platform.jobs().submit({ name: 'bench', image: testImage, cmd: 'sleep 5', cores: 1, memoryGb: 1 })
      ).ids
      const label = `canfar.net/id=${id}`
      const made = (await watcher.seen(label, 'job')) - begun
      const gated = (await watcher.seen(label, 'let go')) - (await watcher.seen(label, 'pod'))
      const running = await watcher.seen(label, 'running')
      for (;;) {
        const { state } = await platform.jobs().get(id)
        if (state !== 'starting' && state !== 'queued') break
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      const told = performance.now() - running
      await platform.ended(id)
      return { made, gated, running: running - begun, told }
    },
    [Symbol.asyncDispose]: () => platform[Symbol.asyncDispose](),
  }
}
