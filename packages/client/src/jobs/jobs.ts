import type {
  Job,
  JobEvent,
  JobListQuery,
  JobPage,
  JobRequest,
  QueueOverview,
  Submitted,
  Why,
} from '@science-platform/contract'
import { isEnded } from '@science-platform/contract/states'
import { serverAddresses } from '../connection/addresses.ts'
import { apiJson } from '../connection/api-json.ts'
import { concurrently } from '../connection/concurrently.ts'
import { bytesOf, Connection, type ConnectionOptions, type Outgoing } from '../connection/connection.ts'
import { followLog } from './job-log.ts'
import { patienceSeconds, pause, persist } from '../connection/persistence.ts'
import { problemFrom } from '../connection/problem-error.ts'

/** Seconds that a wait stays open: below the 30 s timeout of many proxies. */
const waitSeconds = 25
/** Seconds of retries of a submission without an answer. The idempotency key makes retries safe. */
const submitPatienceSeconds = 10

/** How to reach this platform's own API. */
export interface JobsOptions extends ConnectionOptions {
  /** The server: its root (`http://127.0.0.1:8080`), `…/skaha/v1` or `…/api/v1`. */
  readonly url: string
}

/** Options of a call that can be aborted. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined
}

/** Options of reading a log. */
export interface LogOptions extends Abortable {
  /** Read until the job has ended. @defaultValue false */
  readonly follow?: boolean
  /** The first byte, and the byte after the last. `follow` ignores `end`. */
  readonly range?: { readonly start?: number; readonly end?: number }
}

/**
 * Jobs on this platform's own API: submissions of all replicas or none, logs to follow, causes and usage of ended jobs.
 * Every method throws {@link ProblemError} when the server refuses and {@link UnreachableError} without an answer.
 */
export class Jobs {
  readonly #api: string
  readonly #connection: Connection

  constructor(options: JobsOptions) {
    this.#api = serverAddresses(options.url).api
    this.#connection = new Connection(options)
  }

  /**
   * Submits one job, or all `replicas` or none. Without an answer, the request is repeated for ten seconds with the same
   * Idempotency-Key, so that no job is submitted twice. @defaultValue idempotencyKey a random key
   */
  async submit(
    request: JobRequest,
    options: Abortable & { readonly idempotencyKey?: string | undefined } = {},
  ): Promise<Submitted> {
    const { signal, idempotencyKey = crypto.randomUUID() } = options
    const headers = { 'content-type': 'application/json', 'idempotency-key': idempotencyKey }
    const outgoing = {
      method: 'POST',
      url: `${this.#api}/jobs`,
      headers,
      body: JSON.stringify(request),
      signal,
    } as const
    return (await persist(() => this.#json(outgoing), submitPatienceSeconds, signal)) as Submitted
  }

  /** One page of the caller's jobs. */
  async list(query: JobListQuery = {}, { signal }: Abortable = {}): Promise<JobPage> {
    const parameters = new URLSearchParams(
      Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
    ).toString()
    const url = `${this.#api}/jobs${parameters === '' ? '' : `?${parameters}`}`
    return (await this.#json({ method: 'GET', url, signal })) as JobPage
  }

  /** All jobs that match a query, fetched page by page during iteration. `limit` is the size of a page. */
  async *listAll(query: JobListQuery = {}, options: Abortable = {}): AsyncGenerator<Job> {
    let page = await this.list(query, options)
    yield* page.jobs
    while (page.next !== undefined) {
      page = await this.list({ ...query, cursor: page.next }, options)
      yield* page.jobs
    }
  }

  /** One job. */
  async get(id: string, { signal }: Abortable = {}): Promise<Job> {
    return (await this.#json({ method: 'GET', url: this.#job(id), signal })) as Job
  }

  /** Cancels a job. A job that was waiting has ended when this returns; a running job stops afterwards. */
  async cancel(id: string, { signal }: Abortable = {}): Promise<Job> {
    return (await this.#json({ method: 'POST', url: `${this.#job(id)}/cancel`, signal })) as Job
  }

  /**
   * The output of a job, stdout and stderr interleaved as written. With `follow` it continues until the job has ended, and
   * a broken connection resumes at the next byte.
   */
  async *logs(id: string, options: LogOptions = {}): AsyncGenerator<Uint8Array> {
    const { follow = false, range = {}, signal } = options
    const start = range.start ?? 0
    if (!follow && range.end !== undefined && range.end <= start) return
    if (follow) {
      const open = (from: number): Promise<Response> => this.#log(id, '?follow=1', from, undefined, signal)
      yield* followLog({ open, hasEnded: async () => isEnded((await this.get(id, { signal })).state) }, start, signal)
    } else {
      yield* bytesOf(await this.#log(id, '', start, range.end, signal))
    }
  }

  /** The events of a job, oldest first. */
  async events(id: string, { signal }: Abortable = {}): Promise<JobEvent[]> {
    const answer = (await this.#json({ method: 'GET', url: `${this.#job(id)}/events`, signal })) as {
      events: JobEvent[]
    }
    return answer.events
  }

  /** Why a job waits, when it is expected to start, and what would start it sooner. */
  async why(id: string, { signal }: Abortable = {}): Promise<Why> {
    return (await this.#json({ method: 'GET', url: `${this.#job(id)}/why`, signal })) as Why
  }

  /** Free capacity, waiting jobs, and how much of their limits the caller and their groups use. */
  async queue({ signal }: Abortable = {}): Promise<QueueOverview> {
    return (await this.#json({ method: 'GET', url: `${this.#api}/queue`, signal })) as QueueOverview
  }

  /**
   * Waits until every job has ended and returns the jobs in the order of the ids. Retries for five minutes while the server
   * is unreachable. `onEnded` is called for each job when it has ended.
   */
  async wait(
    ids: string | readonly string[],
    options: Abortable & { readonly onEnded?: (job: Job) => void } = {},
  ): Promise<Job[]> {
    const list = typeof ids === 'string' ? [ids] : ids
    const stop = new AbortController()
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
    const outcomes = await concurrently(list, this.#connection.concurrency, async (id) => {
      try {
        const job = await this.#waitForOne(id, signal)
        options.onEnded?.(job)
        return job
      } catch (error) {
        // One failure ends the whole wait: the caller learns of a mistyped id now and not after hours.
        stop.abort(error)
        throw error
      }
    })
    if (signal.aborted) throw signal.reason
    return outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value] : []))
  }

  async #waitForOne(id: string, signal: AbortSignal): Promise<Job> {
    const url = `${this.#job(id)}/wait?timeout=${waitSeconds}`
    const timeoutSeconds = waitSeconds + this.#connection.timeoutSeconds
    for (;;) {
      const asked = Date.now()
      const outgoing = { method: 'GET', url, signal, timeoutSeconds } as const
      const job = (await persist(() => this.#json(outgoing), patienceSeconds, signal)) as Job
      if (isEnded(job.state)) return job
      // A server that shuts down answers at once.
      if (Date.now() - asked < 1_000) await pause(250, signal)
    }
  }

  #job(id: string): string {
    return `${this.#api}/jobs/${encodeURIComponent(id)}`
  }

  async #log(
    id: string,
    query: string,
    start: number,
    end: number | undefined,
    signal?: AbortSignal,
  ): Promise<Response> {
    const isWhole = start === 0 && end === undefined
    // The last byte of a Range is included (RFC 9110, 14.1.2).
    const headers = {
      accept: 'text/plain',
      ...(isWhole ? {} : { range: `bytes=${start}-${end === undefined ? '' : end - 1}` }),
    }
    const url = `${this.#job(id)}/logs${query}`
    const response = await this.#connection.open({ method: 'GET', url, headers, signal })
    if (response.ok) return response
    throw problemFrom({ status: response.status, text: await response.text() }, `GET ${url}`)
  }

  #json(outgoing: Outgoing): Promise<unknown> {
    return apiJson(this.#connection, outgoing)
  }
}

/**
 * Whether the server at an address has this platform's own API; other skaha servers do not. Throws
 * {@link UnreachableError} without an answer.
 */
export async function hasJobsApi(options: JobsOptions): Promise<boolean> {
  const url = `${serverAddresses(options.url).api}/openapi.json`
  const response = await new Connection(options).open({ method: 'GET', url })
  await response.body?.cancel()
  return response.status === 200 && (response.headers.get('content-type') ?? '').includes('json')
}
