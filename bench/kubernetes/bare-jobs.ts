import type { KubernetesApi } from '../../packages/server/src/executor/kubernetes/api/api-client.ts'
import { adminApi, type V1Job, type V1Pod } from '../../packages/server/src/executor/kubernetes/testing/admin-api.ts'

/** Stages of a job in the cluster, in order. `let go`: its pod has no scheduling gate. */
type Stage = 'job' | 'pod' | 'let go' | 'running'

/** Jobs without the platform through the same client, and an observer of all Jobs and pods. */
export class BareJobs {
  readonly #api: KubernetesApi
  readonly #namespace: string
  readonly #image: string
  readonly #closing = new AbortController()
  /** For each label of a Job or pod, the time of each stage. */
  readonly #seen = new Map<string, number>()
  readonly #ended = new Set<string>()
  #count = 0

  private constructor(api: KubernetesApi, namespace: string, image: string) {
    this.#api = api
    this.#namespace = namespace
    this.#image = image
  }

  /** Uses the client of the platform with the same concurrency. */
  static async open(namespace: string, image: string): Promise<BareJobs> {
    const jobs = new BareJobs(await adminApi(), namespace, image)
    jobs.#own(jobs.#watchJobs())
    jobs.#own(jobs.#watchPods())
    return jobs
  }

  /** Seconds from the first request until the last Job is reported as ended. Deletes the Jobs afterwards. */
  async run(count: number): Promise<number> {
    const names = Array.from({ length: count }, () => `bare-${++this.#count}`)
    const begun = performance.now()
    await Promise.all(names.map((name) => this.#create(name)))
    await until(() => names.every((name) => this.#ended.has(name)))
    const seconds = (performance.now() - begun) / 1000
    const remove = { propagationPolicy: 'Background' }
    await Promise.all(names.map((name) => this.#api.delete(`${this.#jobs}/${name}`, remove, this.#closing.signal)))
    return seconds
  }

  /** Milliseconds from a request until its Job exists, and until its container runs. */
  async latency(): Promise<{ made: number; running: number }> {
    const name = `bare-${++this.#count}`
    const begun = performance.now()
    await this.#create(name, ['sleep', '5'])
    const made = (await this.seen(`bare=${name}`, 'job')) - begun
    const running = (await this.seen(`bare=${name}`, 'running')) - begun
    await until(() => this.#ended.has(name))
    await this.#api.delete(`${this.#jobs}/${name}`, { propagationPolicy: 'Background' }, this.#closing.signal)
    return { made, running }
  }

  /** The time (performance.now) at which the Job or pod with a label reached a stage. */
  async seen(label: string, stage: Stage): Promise<number> {
    const key = `${stage} ${label}`
    await until(() => this.#seen.has(key))
    return this.#seen.get(key) ?? 0
  }

  close(): void {
    this.#closing.abort(new Error('The benchmark is over.'))
    this.#api.close()
  }

  get #jobs(): string {
    return `/apis/batch/v1/namespaces/${this.#namespace}/jobs`
  }

  async #create(name: string, command: string[] = ['true']): Promise<void> {
    const labels = { bare: name }
    const job: V1Job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name, labels },
      spec: {
        backoffLimit: 0,
        template: {
          metadata: { labels },
          spec: {
            restartPolicy: 'Never',
            dnsPolicy: 'Default',
            automountServiceAccountToken: false,
            containers: [
              {
                name: 'job',
                image: this.#image,
                imagePullPolicy: 'Always',
                command,
                resources: { requests: { cpu: '10m', memory: '50Mi' } },
              },
            ],
          },
        },
      },
    }
    await this.#api.create(this.#jobs, job, this.#closing.signal)
  }

  async #watchJobs(): Promise<void> {
    const signal = this.#closing.signal
    for await (const { object } of this.#api.watch<V1Job>(this.#jobs, { signal })) {
      const { name = '', labels = {} } = object.metadata ?? {}
      this.#first('job', labels)
      if ((object.status?.conditions ?? []).some(({ type }) => type === 'Complete' || type === 'Failed'))
        this.#ended.add(name)
    }
  }

  async #watchPods(): Promise<void> {
    const signal = this.#closing.signal
    for await (const { object } of this.#api.watch<V1Pod>(`/api/v1/namespaces/${this.#namespace}/pods`, { signal })) {
      const { metadata: { labels = {} } = {}, spec, status } = object
      this.#first('pod', labels)
      if ((spec?.schedulingGates ?? []).length === 0) this.#first('let go', labels)
      if (status?.containerStatuses?.[0]?.state?.running !== undefined) this.#first('running', labels)
    }
  }

  #first(stage: Stage, labels: Readonly<Record<string, string>>): void {
    for (const [key, value] of Object.entries(labels)) {
      const seen = `${stage} ${key}=${value}`
      if (!this.#seen.has(seen)) this.#seen.set(seen, performance.now())
    }
  }

  #own(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#closing.signal.aborted) throw error
    })
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 600_000; !holds();) {
    if (Date.now() > end) throw new Error('timeout after ten minutes')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
