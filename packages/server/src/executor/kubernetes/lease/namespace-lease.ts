import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Lease } from '@kubernetes/client-node'
import type { Logger } from 'pino'
import type { KubernetesApi } from '../api/api-client.ts'
import { isConflict, isGone } from '../api/api-error.ts'
import { instanceLabel } from '../objects/names.ts'
import { judgeLease, type JobCounts, type LeaseRecord } from './judge-lease.ts'

/** Seconds between two renewals, and seconds without one after which a holder counts as gone. */
const leaseSeconds = { renew: 5, lasts: 15 } as const

/** The annotations of the Lease: the process that holds it, and its host. */
const processAnnotation = 'canfar.net/process'
const hostAnnotation = 'canfar.net/host'

/** Thrown at the start of a server whose database does not rule in the namespace. */
export class NotOurs extends Error {
  override readonly name = 'NotOurs'
}

/** Settings of {@link NamespaceLease}. */
export interface NamespaceLeaseOptions {
  readonly api: Pick<KubernetesApi, 'get' | 'getWithRetry' | 'create' | 'patch'>
  readonly namespace: string
  readonly instance: string
  /** The identity of the database, a UUID. */
  readonly identity: string
  /** @defaultValue the machine's host name */
  readonly host?: string
  /** @defaultValue {@link leaseSeconds} */
  readonly seconds?: { readonly renew: number; readonly lasts: number }
  readonly signal: AbortSignal
  /** Called once where another process holds the Lease now. */
  readonly onLost: (message: string) => void
  readonly log: Logger
}

/**
 * The Lease that names the database whose server runs the Jobs of an instance in a namespace. It keeps two servers from running one
 * another's Jobs. It outlives its server: another database takes it over only by `science-platform adopt`.
 */
export class NamespaceLease {
  readonly #options: NamespaceLeaseOptions
  readonly #process: string = randomUUID()
  readonly #host: string
  readonly #seconds: { readonly renew: number; readonly lasts: number }
  #isHeld = false
  #renewing: Promise<void> = Promise.resolve()

  constructor(options: NamespaceLeaseOptions) {
    this.#options = options
    this.#host = options.host ?? hostname()
    this.#seconds = options.seconds ?? leaseSeconds
  }

  /**
   * Takes the Lease, and renews it from then on.
   *
   * @throws {NotOurs} where it belongs to another database, or a server with a copy of this database runs.
   */
  async take(jobs: JobCounts): Promise<void> {
    const { identity, signal } = this.#options
    for (let waitedFor: LeaseRecord | undefined; ;) {
      const found = await this.#read()
      const lease = found && leaseRecord(found)
      const judgement = judgeLease(lease, { identity, host: this.#host }, jobs)
      if (judgement.type === 'refuse') throw this.#refusal(judgement.whose)
      if (judgement.type === 'wait' && lease !== undefined && waitedFor?.renewed !== lease.renewed) {
        if (waitedFor !== undefined) throw this.#copyRuns(lease)
        waitedFor = lease
        await sleep(this.#seconds.lasts * 1000, undefined, { signal })
        continue
      }
      if (await this.#write(found)) break
    }
    this.#isHeld = true
    this.#renewing = this.#renew()
  }

  /** Takes the Lease from whatever database holds it. @throws {NotOurs} where that database's server renews it. */
  async takeOver(): Promise<void> {
    const { signal } = this.#options
    for (;;) {
      const before = await this.#read()
      const lease = before && leaseRecord(before)
      if (lease !== undefined && lease.process !== '') {
        await sleep(this.#seconds.lasts * 1000, undefined, { signal })
        const after = await this.#read()
        const now = after && leaseRecord(after)
        if (now !== undefined && now.renewed !== lease.renewed && now.process !== '') throw this.#stillServed(now)
      }
      if (await this.#write(await this.#read())) break
    }
    this.#isHeld = true
    await this.release()
  }

  /** Who holds it now; undefined where there is none. */
  async holder(): Promise<LeaseRecord | undefined> {
    const lease = await this.#read()
    return lease && leaseRecord(lease)
  }

  /** Lets the next server of the same database take it without waiting. The database goes on holding it. */
  async release(): Promise<void> {
    if (!this.#isHeld) return
    this.#isHeld = false
    const { api, signal } = this.#options
    const lease = await this.#read()
    if (lease === undefined || leaseRecord(lease).process !== this.#process) return
    const metadata = { resourceVersion: lease.metadata?.resourceVersion, annotations: { [processAnnotation]: null } }
    await api.patch(this.#path, { metadata }, signal, { retriesConflicts: false })
  }

  /** Resolves when the renewals have ended, after the signal. */
  settled(): Promise<void> {
    return this.#renewing
  }

  async #renew(): Promise<void> {
    const { signal, onLost, log } = this.#options
    for (;;) {
      await sleep(this.#seconds.renew * 1000, undefined, { signal, ref: false }).catch(() => undefined)
      if (signal.aborted || !this.#isHeld) return
      try {
        const found = await this.#options.api.get<V1Lease>(this.#path, { signal }).catch(missing)
        const lease = found && leaseRecord(found)
        if (lease !== undefined && lease.process !== this.#process && lease.process !== '') {
          this.#isHeld = false
          onLost(`${this.#place} is held by the database ${lease.identity} on ${lease.host} now; this server stops`)
          return
        }
        await this.#write(found)
      } catch (error) {
        // Without an answer no other server takes the Lease either; and what others run is never touched.
        if (!signal.aborted) log.warn({ err: error }, 'the Lease could not be renewed, retrying')
      }
    }
  }

  /** Creates the Lease, or changes it from a read state. False where another process was faster. */
  async #write(found: V1Lease | undefined): Promise<boolean> {
    const { api, signal, identity, instance } = this.#options
    const renewTime = microTime(new Date())
    const before = found && leaseRecord(found)
    const acquireTime = before?.identity === identity && before.since !== '' ? before.since : renewTime
    const spec = { holderIdentity: identity, leaseDurationSeconds: this.#seconds.lasts, acquireTime, renewTime }
    const annotations = { [processAnnotation]: this.#process, [hostAnnotation]: this.#host }
    try {
      if (found === undefined) {
        const metadata = { name: this.#name, labels: { [instanceLabel]: instance }, annotations }
        const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec }
        await api.create(this.#collection, lease, signal)
      } else {
        // The version makes the change conditional. A conflict is not retried: the holder may be another one by now.
        const metadata = { resourceVersion: found.metadata?.resourceVersion, annotations }
        await api.patch(this.#path, { metadata, spec }, signal, { retriesConflicts: false })
      }
      return true
    } catch (error) {
      if (isConflict(error) || (found !== undefined && isGone(error))) return false
      throw error
    }
  }

  #read(): Promise<V1Lease | undefined> {
    return this.#options.api.getWithRetry<V1Lease>(this.#path, { signal: this.#options.signal }).catch(missing)
  }

  #refusal(whose: string): NotOurs {
    return new NotOurs(
      `This server's database ${this.#options.identity} does not run the jobs of ${this.#place}: ${whose}. ` +
        'Nothing was changed. Give this server another kubernetes.instance or kubernetes.namespace; or, where that database is ' +
        'gone for good, run science-platform adopt, which shows what this one would take over.',
    )
  }

  #copyRuns({ host, renewed }: LeaseRecord): NotOurs {
    return new NotOurs(
      `A server with a copy of this database (${this.#options.identity}) runs on ${host}: it renewed the Lease of ${this.#place} at ` +
        `${renewed}. Stop that server first.`,
    )
  }

  #stillServed({ identity, host, renewed }: LeaseRecord): NotOurs {
    return new NotOurs(
      `The server of the database ${identity} runs on ${host}: it renewed the Lease of ${this.#place} at ${renewed}. Stop that ` +
        'server first; nothing was taken over.',
    )
  }

  get #place(): string {
    const { instance, namespace } = this.#options
    return `the instance ${instance} in the namespace ${namespace}`
  }

  get #name(): string {
    return leaseName(this.#options.instance)
  }

  get #collection(): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${this.#options.namespace}/leases`
  }

  get #path(): string {
    return `${this.#collection}/${this.#name}`
  }
}

/** The name of an instance's Lease. */
export const leaseName = (instance: string): string => `${instance}.canfar.net`

function missing(error: unknown): undefined {
  if (!isGone(error)) throw error
}

function leaseRecord({ metadata, spec }: V1Lease): LeaseRecord {
  const annotations = metadata?.annotations ?? {}
  return {
    identity: spec?.holderIdentity ?? '',
    process: annotations[processAnnotation] ?? '',
    host: annotations[hostAnnotation] ?? '',
    since: timeText(spec?.acquireTime),
    renewed: timeText(spec?.renewTime),
  }
}

/** The API sends text; its published type is a date. */
const timeText = (time: unknown): string => (typeof time === 'string' ? time : '')

/** An instant as the API writes a MicroTime. */
const microTime = (time: Date): string => time.toISOString().replace('Z', '000Z')
