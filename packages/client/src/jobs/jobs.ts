import type {
  CancelledJobs,
  CancelRequest,
  Change,
  ChangesQuery,
  FileList,
  FileQuery,
  Job,
  JobEvent,
  JobListQuery,
  JobRequest,
  QueueOverview,
  Submitted,
  Waited,
  Why,
} from '@science-platform/contract'
import { isEnded } from '@science-platform/contract/states'
import { serverAddresses } from '../connection/addresses.ts'
import { apiJson } from '../connection/api-json.ts'
import { concurrently } from '../connection/concurrently.ts'
import { bytesOf, Connection, type ConnectionOptions, type Outgoing } from '../connection/connection.ts'
import { followLog, readOutput, type OutputGap } from './job-log.ts'
import { serverSentEvents } from './server-sent-events.ts'
import { backoffMilliseconds, isTransient, patienceSeconds, pause, persist } from '../connection/persistence.ts'
import { ProblemError, problemFrom } from '../connection/problem-error.ts'

/** Seconds that a wait stays open: below the 30 s timeout of many proxies. */
const waitSeconds = 25
/** Seconds of retries of a submission without an answer. The idempotency key makes retries safe. */
const submitPatienceSeconds = 10

/** Seconds that the server may take to cancel many jobs. */
const cancelManySeconds = 120

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
  /**
   * Called where bytes of the output are missing, before the bytes after them come. Without it a line of text stands in their
   * place. With it, `range` counts the bytes that the latest attempt wrote, and its `end` is ignored. Servers of an earlier
   * version never call it.
   */
  readonly onGap?: (gap: OutputGap) => void
}

/** Which changes to follow, and from where on. */
export interface ChangesOptions extends Abortable, Omit<ChangesQuery, 'after'> {
  /** Continue after the change with this id: nothing is missed. @defaultValue now */
  readonly lastEventId?: string | undefined
}

/** A query of a list. `F` are the fields that each job has. */
export interface ListQuery<F extends keyof Job = keyof Job> extends Omit<JobListQuery, 'fields'> {
  /** @defaultValue all */
  readonly fields?: readonly F[]
}

/** One page of a list; `next` is the cursor of the following page. */
export interface ListedPage<F extends keyof Job = keyof Job> {
  readonly jobs: Pick<Job, F>[]
  readonly next?: string
}

/** A change of a job, with the id to continue after. */
export interface ReceivedChange {
  readonly id: string
  readonly change: Change
}

/** Ids of one request to wait: the server takes no more. */
const idsPerWait = 1_000

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
    return this.#submit('/jobs', request, idempotencyKey, signal)
  }

  /**
   * Submits up to 1,000 unlike jobs or arrays, all or none. The ids are in the order of the requests; one with replicas has that many in
   * a row. An error names the request in its `field`, such as `jobs[3].cores`. Repeated as {@link submit} is.
   * @defaultValue idempotencyKey a random key
   */
  async submitBatch(
    requests: readonly JobRequest[],
    options: Abortable & { readonly idempotencyKey?: string | undefined } = {},
  ): Promise<Submitted> {
    const { signal, idempotencyKey = crypto.randomUUID() } = options
    return this.#submit('/jobs/batch', { jobs: requests }, idempotencyKey, signal)
  }

  async #submit(path: string, body: object, key: string, signal: AbortSignal | undefined): Promise<Submitted> {
    const headers = { 'content-type': 'application/json', 'idempotency-key': key }
    const url = `${this.#api}${path}`
    const outgoing = { method: 'POST', url, headers, body: JSON.stringify(body), signal } as const
    return (await persist(() => this.#json(outgoing), submitPatienceSeconds, signal)) as Submitted
  }

  /** One page of the caller's jobs, with all fields or those in `fields`, which the server finds sooner. */
  async list<F extends keyof Job = keyof Job>(
    query: ListQuery<F> = {},
    { signal }: Abortable = {},
  ): Promise<ListedPage<F>> {
    const parameters = new URLSearchParams(
      Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
    ).toString()
    const url = `${this.#api}/jobs${parameters === '' ? '' : `?${parameters}`}`
    return (await this.#json({ method: 'GET', url, signal })) as ListedPage<F>
  }

  /** All jobs that match a query, fetched page by page during iteration. `limit` is the size of a page. */
  async *listAll<F extends keyof Job = keyof Job>(
    query: ListQuery<F> = {},
    options: Abortable = {},
  ): AsyncGenerator<Pick<Job, F>> {
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
   * Cancels jobs by exactly one of `ids` (up to 1,000), `label` and `prefix` of the name, and returns the ids by what became of them.
   * Without an answer, the request is repeated for ten seconds: a repetition cancels what is left, and finds the rest ended.
   */
  async cancelMany(request: CancelRequest, { signal }: Abortable = {}): Promise<CancelledJobs> {
    const outgoing = {
      method: 'POST',
      url: `${this.#api}/jobs/cancel`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
      signal,
      timeoutSeconds: Math.max(this.#connection.timeoutSeconds, cancelManySeconds),
    } as const
    return (await persist(() => this.#json(outgoing), submitPatienceSeconds, signal)) as CancelledJobs
  }

  /**
   * The output of a job, stdout and stderr interleaved as written. With `follow` it continues until the job has ended, and
   * a broken connection resumes at the next byte.
   */
  async *logs(id: string, options: LogOptions = {}): AsyncGenerator<Uint8Array> {
    const { follow = false, range = {}, signal, onGap } = options
    const start = range.start ?? 0
    if (onGap !== undefined) {
      const open = (from: number, attempt: number | undefined): Promise<Response> => {
        const query = `?marks=0${follow ? '&follow=1' : ''}${attempt === undefined ? '' : `&attempt=${attempt}`}`
        return this.#log(id, query, from, undefined, signal)
      }
      const look = async (): Promise<{ attempt: number; isEnded: boolean }> => {
        const { attempts, state } = await this.get(id, { signal })
        return { attempt: attempts.length, isEnded: isEnded(state) }
      }
      try {
        yield* readOutput({ open, look: follow ? look : undefined, onGap }, start, signal)
        return
      } catch (error) {
        // A server of an earlier version refuses the first request for its parameter.
        if (!(error instanceof ProblemError && error.status === 400 && /\bmarks\b/.test(error.message))) throw error
      }
    }
    if (!follow && range.end !== undefined && range.end <= start) return
    if (follow) {
      const open = (from: number): Promise<Response> => this.#log(id, '?follow=1', from, undefined, signal)
      yield* followLog({ open, hasEnded: async () => isEnded((await this.get(id, { signal })).state) }, start, signal)
    } else {
      yield* bytesOf(await this.#log(id, '', start, range.end, signal))
    }
  }

  /** The last bytes of the log of a job, as it is now; fewer where there are fewer. */
  async logEnd(id: string, bytes: number, { signal }: Abortable = {}): Promise<Uint8Array> {
    const url = `${this.#job(id)}/logs`
    const headers = { accept: 'text/plain', range: `bytes=-${bytes}` }
    const response = await this.#connection.open({ method: 'GET', url, headers, signal })
    if (response.ok) return new Uint8Array(await response.arrayBuffer()).slice(-bytes)
    const text = await response.text()
    if (response.status === 416) return new Uint8Array() // there is no byte
    throw problemFrom({ status: response.status, text }, `GET ${url}`)
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

  /**
   * The files below /arc that match a pattern such as `/arc/projects/survey/*.fits`, as a job of the caller would see them: at most
   * `limit`. @throws {ProblemError} of the type `files-not-visible` on a platform whose server does not see them.
   */
  async files(query: FileQuery, { signal }: Abortable = {}): Promise<FileList> {
    const parameters = new URLSearchParams({
      glob: query.glob,
      ...(query.limit === undefined ? {} : { limit: String(query.limit) }),
    })
    return (await this.#json({ method: 'GET', url: `${this.#api}/files?${parameters.toString()}`, signal })) as FileList
  }

  /** Free capacity, waiting jobs, and how much of their limits the caller and their groups use. */
  async queue({ signal }: Abortable = {}): Promise<QueueOverview> {
    return (await this.#json({ method: 'GET', url: `${this.#api}/queue`, signal })) as QueueOverview
  }

  /**
   * Waits until one or more of up to 1,000 jobs have ended, at most `timeoutSeconds`. Returns those, and the ids that are no jobs
   * of the caller; empty lists when the time is over first. @defaultValue timeoutSeconds 25
   */
  async waitAny(
    ids: readonly string[],
    { signal, timeoutSeconds = waitSeconds }: Abortable & { readonly timeoutSeconds?: number } = {},
  ): Promise<Waited> {
    return (await this.#json({
      method: 'POST',
      url: `${this.#api}/jobs/wait`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ids, timeout: timeoutSeconds }),
      signal,
      timeoutSeconds: timeoutSeconds + this.#connection.timeoutSeconds,
    })) as Waited
  }

  /**
   * Waits until every job has ended and returns them in the order of the ids. Waits five minutes for a server that does not answer.
   * Calls `onEnded` for each job as soon as it is known to have ended.
   */
  async wait(
    ids: string | readonly string[],
    options: Abortable & { readonly onEnded?: (job: Job) => void } = {},
  ): Promise<Job[]> {
    const list = [...new Set(typeof ids === 'string' ? [ids] : ids)]
    const stop = new AbortController()
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
    const ended = new Map<string, Job>()
    const parts = Array.from({ length: Math.ceil(list.length / idsPerWait) }, (_, i) =>
      list.slice(i * idsPerWait, (i + 1) * idsPerWait),
    )
    await concurrently(parts, Math.max(1, parts.length), async (part) => {
      try {
        await this.#waitForAll(part, signal, (job) => {
          ended.set(job.id, job)
          options.onEnded?.(job)
        })
      } catch (error) {
        // A mistyped id ends the waiting now, and not after hours.
        stop.abort(error)
        throw error
      }
    })
    if (signal.aborted) throw signal.reason
    return (typeof ids === 'string' ? [ids] : ids).flatMap((id) => ended.get(id) ?? [])
  }

  /**
   * Changes of the caller's jobs as they happen, in order. A connection that breaks is resumed without loss; a server that does
   * not answer is waited for five minutes. Throws a {@link ProblemError} `cursor-too-old` where `lastEventId` is no longer kept:
   * list the jobs again and follow without it.
   */
  async *changes({ signal, lastEventId, ...query }: ChangesOptions = {}): AsyncGenerator<ReceivedChange> {
    const parameters = new URLSearchParams(
      Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
    ).toString()
    const url = `${this.#api}/changes${parameters === '' ? '' : `?${parameters}`}`
    let id = lastEventId ?? ''
    let failures = 0
    let failingSince = 0
    for (;;) {
      try {
        for await (const event of serverSentEvents(bytesOf(await this.#changes(url, id, signal)))) {
          failures = 0
          id = event.id
          if (event.data !== undefined) yield { id, change: JSON.parse(event.data) as Change }
        }
      } catch (error) {
        signal?.throwIfAborted()
        const isBroken = isTransient(error) || error instanceof TypeError
        if (failures === 0) failingSince = Date.now()
        if (!isBroken || Date.now() - failingSince > patienceSeconds * 1000) throw error
      }
      failures += 1
      await pause(backoffMilliseconds(failures), signal)
    }
  }

  async #changes(url: string, id: string, signal: AbortSignal | undefined): Promise<Response> {
    const headers = { accept: 'text/event-stream', ...(id === '' ? {} : { 'last-event-id': id }) }
    const response = await this.#connection.open({ method: 'GET', url, headers, signal })
    if (response.ok) return response
    throw problemFrom({ status: response.status, text: await response.text() }, `GET ${url}`)
  }

  /** Waits for all of up to 1,000 jobs. */
  async #waitForAll(ids: readonly string[], signal: AbortSignal, onEnded: (job: Job) => void): Promise<void> {
    const open = new Set(ids)
    while (open.size > 0) {
      const asked = Date.now()
      const outcome = await persist(() => this.#waitOnce([...open], signal), patienceSeconds, signal)
      const [unknown] = outcome.unknown
      // Throws the server's own words for an id that is no job of the caller.
      if (unknown !== undefined) await this.get(unknown, { signal })
      const results = await concurrently(outcome.ended, this.#connection.concurrency, async ({ id }) => {
        const job = await persist(() => this.get(id, { signal }), patienceSeconds, signal)
        open.delete(id)
        onEnded(job)
      })
      for (const result of results) if (!result.ok) throw result.error
      // A server that shuts down answers at once.
      if (outcome.ended.length === 0 && Date.now() - asked < 1_000) await pause(250, signal)
    }
  }

  /** One request to wait; on a server of an earlier version, for the first of the jobs alone. */
  async #waitOnce(ids: readonly string[], signal: AbortSignal): Promise<Waited> {
    try {
      return await this.waitAny(ids, { signal })
    } catch (error) {
      const [id] = ids
      const isEarlier = error instanceof ProblemError && (error.status === 404 || error.status === 405)
      if (!isEarlier || id === undefined) throw error
      const url = `${this.#job(id)}/wait?timeout=${waitSeconds}`
      const timeoutSeconds = waitSeconds + this.#connection.timeoutSeconds
      const job = (await this.#json({ method: 'GET', url, signal, timeoutSeconds })) as Job
      return { ended: isEnded(job.state) ? [{ id, name: job.name, state: job.state as 'failed' }] : [], unknown: [] }
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
 * Whether the server at an address has this platform's own API; other skaha servers do not. Throws {@link UnreachableError}
 * without an answer, at once or after trying again for so many seconds. @defaultValue patienceSeconds 0
 */
export async function hasJobsApi(options: JobsOptions, patienceSeconds = 0): Promise<boolean> {
  const url = `${serverAddresses(options.url).api}/openapi.json`
  const connection = new Connection(options)
  const response = await persist(async () => {
    const answer = await connection.open({ method: 'GET', url })
    await answer.body?.cancel()
    if (patienceSeconds === 0 || ![502, 503, 504].includes(answer.status)) return answer
    throw problemFrom({ status: answer.status, text: '' }, `GET ${url}`)
  }, patienceSeconds)
  return response.status === 200 && (response.headers.get('content-type') ?? '').includes('json')
}
