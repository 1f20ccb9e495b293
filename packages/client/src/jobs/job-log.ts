import { bytesOf } from '../connection/connection.ts'
import { backoffMilliseconds, isTransient, patienceSeconds, pause } from '../connection/persistence.ts'
import { ProblemError } from '../connection/problem-error.ts'

/** The requests that following a log needs. */
export interface LogSource {
  /** Opens the log at a byte; the server keeps it open while the job runs. Throws unless the answer is a success. */
  readonly open: (start: number) => Promise<Response>
  /** Whether the job has ended, and its log with it. */
  readonly hasEnded: () => Promise<boolean>
}

/**
 * The log from byte `start` until the job has ended, each byte once. A broken connection resumes at the next byte, also
 * when the server is away for up to five minutes. A first connection that fails is an error at once.
 */
export async function* followLog(source: LogSource, start: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  let position = start
  let opened = false
  let failures = 0
  let failingSince = 0
  for (;;) {
    try {
      // Asked before reading: the log of an ended job is then complete. The end of a stream alone does not mean that the
      // job has ended, because a server that stops ends its streams too.
      const ended = opened && (await source.hasEnded())
      const response = await openAt(source, position)
      opened = true
      for await (const bytes of freshBytes(response, position)) {
        position += bytes.length
        failures = 0
        yield bytes
      }
      if (ended) return
    } catch (error) {
      signal?.throwIfAborted()
      if (failures === 0) failingSince = Date.now()
      if (!opened || !isBroken(error) || Date.now() - failingSince > patienceSeconds * 1000) throw error
    }
    failures += 1
    await pause(backoffMilliseconds(failures), signal)
  }
}

/** Bytes that are missing in the output of a job. */
export interface OutputGap {
  /** The attempt that wrote them. */
  readonly attempt: number
  readonly bytes: number
  /** The place of the first of them in the output of the attempt; undefined where a line of the output itself tells of them. */
  readonly start?: number
}

/** The requests that {@link readOutput} needs. */
export interface OutputSource {
  /** Opens the output of an attempt at a byte, up to what is missing. Without an attempt that of the latest. */
  readonly open: (start: number, attempt: number | undefined) => Promise<Response>
  /** The latest attempt, and whether the job has ended. Undefined where only what is there now is to be read. */
  readonly look: (() => Promise<{ readonly attempt: number; readonly isEnded: boolean }>) | undefined
  readonly onGap: (gap: OutputGap) => void
}

/**
 * The output of a job from byte `start` of its latest attempt: as far as it is now, or until the job has ended. Each byte comes
 * once, and `onGap` is called where bytes are missing. Breaks of the connection are borne as by {@link followLog}.
 */
export async function* readOutput(
  source: OutputSource,
  start: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let position = start
  let attempt: number | undefined
  let failures = 0
  let failingSince = 0
  for (let opened = false; ;) {
    const before = position
    try {
      // Asked before reading, as in followLog.
      const job = opened ? await source.look?.() : undefined
      const isOver = source.look === undefined || job?.isEnded === true || (job?.attempt ?? 0) > (attempt ?? Infinity)
      const response = await source.open(position, attempt)
      opened = true
      const number = (name: string): number => Number(response.headers.get(name) ?? 0)
      attempt ??= number('log-attempt') || undefined
      const first = number('log-start')
      if (first > position) source.onGap({ attempt: attempt ?? 1, start: position, bytes: first - position })
      position = Math.max(position, first)
      for await (const bytes of bytesOf(response)) {
        position += bytes.length
        yield bytes
      }
      if (isOver && position >= number('log-size')) {
        if (number('log-lost') > 0) source.onGap({ attempt: attempt ?? 1, bytes: number('log-lost') })
        if (job === undefined || job.attempt <= (attempt ?? job.attempt)) return
        attempt = (attempt ?? 0) + 1
        position = 0
        continue
      }
    } catch (error) {
      signal?.throwIfAborted()
      if (failures === 0 || position > before) failingSince = Date.now()
      const isFinal = !opened || source.look === undefined || !isBroken(error)
      if (isFinal || Date.now() - failingSince > patienceSeconds * 1000) throw error
    }
    if (position > before) failures = 0
    else {
      failures += 1
      await pause(backoffMilliseconds(failures), signal)
    }
  }
}

/** The answer, or undefined while the log has no byte at `position`. */
async function openAt(source: LogSource, position: number): Promise<Response | undefined> {
  try {
    return await source.open(position)
  } catch (error) {
    if (error instanceof ProblemError && error.status === 416) return undefined
    throw error
  }
}

/** The bytes after `position`. A server without ranges sends the whole log again. */
async function* freshBytes(response: Response | undefined, position: number): AsyncGenerator<Uint8Array> {
  if (response === undefined) return
  let skip = response.status === 206 ? 0 : position
  for await (const bytes of bytesOf(response)) {
    const fresh = bytes.subarray(Math.min(skip, bytes.length))
    skip -= bytes.length - fresh.length
    if (fresh.length > 0) yield fresh
  }
}

/** Whether the connection failed, and not the request. fetch reports a truncated body as a TypeError. */
const isBroken = (error: unknown): boolean => isTransient(error) || error instanceof TypeError
