import type { AttemptSpec, Executor, ExecutorEvent, LogRange, Observed } from './executor.ts'

/** Starts attempts and waits for them, for the contract suite and for an executor's own tests. */
export class AttemptRunner {
  executor: Executor
  /** Events of the executor that the runner was made with. */
  readonly events: ExecutorEvent[] = []
  readonly #base: Pick<AttemptSpec, 'image' | 'account'>
  readonly #prefix: string
  #count = 0

  /** @param prefix letters and digits that make attempt ids of this run unlike those of others. */
  constructor(executor: Executor, base: Pick<AttemptSpec, 'image' | 'account'>, prefix = 'contract') {
    this.executor = executor
    executor.onEvent((event) => this.events.push(event))
    this.#base = base
    this.#prefix = prefix
  }

  /** The specification of an attempt that runs a shell script. */
  script(script: string, changes: Partial<AttemptSpec> = {}): AttemptSpec {
    const jobId = `${this.#prefix}${++this.#count}`
    return {
      id: `${jobId}-1`,
      jobId,
      name: 'contract-job',
      ...this.#base,
      cmd: ['/bin/sh', '-c', script],
      env: { HOME: `/arc/home/${this.#base.account.name}`, PWD: `/arc/home/${this.#base.account.name}` },
      resources: { cores: { request: 1, limit: 1 }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true },
      graceSeconds: 30,
      ...changes,
    }
  }

  /** Starts an attempt and waits for its end. */
  async run(spec: AttemptSpec): Promise<Observed> {
    await this.executor.start(spec)
    return this.ended(spec.id)
  }

  /** Waits until an attempt has ended. */
  ended(attemptId: string): Promise<Observed> {
    return this.observed(attemptId, ({ phase }) => phase === 'ended')
  }

  /** Waits until an attempt's command runs. */
  running(attemptId: string): Promise<Observed> {
    return this.observed(attemptId, ({ phase }) => phase === 'running')
  }

  /** Waits until an attempt is as wanted. Looks after every change, and now and then without one, as the server does. */
  async observed(attemptId: string, wanted: (attempt: Observed) => boolean): Promise<Observed> {
    const deadline = Date.now() + 60_000
    for (;;) {
      const changed = this.#change()
      const found = await this.find(attemptId)
      if (found !== undefined && wanted(found)) return found
      if (found?.phase === 'ended') throw new Error(`It ended before it was as wanted: ${JSON.stringify(found)}`)
      if (Date.now() > deadline) throw new Error(`After a minute it is still ${JSON.stringify(found)}`)
      await changed
    }
  }

  async find(attemptId: string): Promise<Observed | undefined> {
    return (await this.executor.list()).find((attempt) => attempt.attemptId === attemptId)
  }

  /** Waits until the usage of a running attempt has CPU time and memory. */
  async usage(attemptId: string, withinSeconds: number): Promise<{ cpuSeconds: number; memoryBytes: number }> {
    for (const deadline = Date.now() + withinSeconds * 1000; ; await this.#change()) {
      const usage = await this.executor.usage(attemptId)
      const { cpuSeconds = 0, memoryBytes = 0 } = usage ?? {}
      if (cpuSeconds > 0.02 && memoryBytes > 0) return { cpuSeconds, memoryBytes }
      if (Date.now() > deadline) throw new Error(`After ${withinSeconds} s its usage is ${JSON.stringify(usage)}`)
    }
  }

  /** Follows the log until it contains a text: the script has come to that place. */
  async logHas(attemptId: string, text: string): Promise<void> {
    const enough = new AbortController()
    const timeout = setTimeout(() => {
      enough.abort(new Error(`After a minute the log of ${attemptId} still has no ${JSON.stringify(text)}`))
    }, 60_000)
    let log = ''
    for await (const bytes of this.executor.followLog(attemptId, 0, enough.signal)) {
      log += Buffer.from(bytes).toString()
      if (log.includes(text)) break
    }
    clearTimeout(timeout)
    if (!log.includes(text)) throw new Error(`The log of ${attemptId} has no ${JSON.stringify(text)} but: ${log}`)
  }

  /** Waits for an event of an attempt with a reason. */
  async event(attemptId: string, reason: string): Promise<ExecutorEvent> {
    for (const deadline = Date.now() + 60_000; ; await this.#change()) {
      const found = this.events.find((event) => event.attemptId === attemptId && event.reason === reason)
      if (found !== undefined) return found
      if (Date.now() > deadline) throw new Error(`After a minute there is no event ${reason} of ${attemptId}.`)
    }
  }

  async log(attemptId: string, range: LogRange = {}): Promise<string> {
    return text(this.executor.readLog(attemptId, range))
  }

  /** Resolves at the next change, or after half a second: a missed notification costs only time. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 500)
      this.executor.onChange(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

/** All bytes as text. */
export async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const chunk of chunks) pieces.push(chunk)
  return Buffer.concat(pieces).toString()
}
