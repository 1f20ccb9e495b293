import { bytesOf } from '../connection/connection.ts'
import { backoffMilliseconds, isTransient, patienceSeconds, pause } from '../connection/persistence.ts'
import { ProblemError } from '../connection/problem-error.ts'

/** What following a log needs of its server. */
export interface LogSource {
  /** Opens the log from a byte on, to be held open while the job runs. Throws unless it is a success. */
  readonly open: (start: number) => Promise<Response>
  /** Whether the job has ended, so that its log grows no more. */
  readonly hasEnded: () => Promise<boolean>
}

/**
 * The log from `start` on until the job has ended, each byte once. A broken connection is resumed at the byte, also when
 * the server goes away and comes back within five minutes. Only a first connection that fails is an error at once.
 */
export async function* followLog(source: LogSource, start: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  let position = start
  let opened = false
  let failures = 0
  let failingSince = 0
  for (;;) {
    try {
      // Asked before reading: whatever an ended job wrote is then in what is read. A stream may also end because the
      // server stops in good order, so its end alone says nothing.
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

/** The answer, or undefined when the log has no byte from there on yet. */
async function openAt(source: LogSource, position: number): Promise<Response | undefined> {
  try {
    return await source.open(position)
  } catch (error) {
    if (error instanceof ProblemError && error.status === 416) return undefined
    throw error
  }
}

/** What comes after `position`: a server that does not know ranges sends everything again. */
async function* freshBytes(response: Response | undefined, position: number): AsyncGenerator<Uint8Array> {
  if (response === undefined) return
  let skip = response.status === 206 ? 0 : position
  for await (const bytes of bytesOf(response)) {
    const fresh = bytes.subarray(Math.min(skip, bytes.length))
    skip -= bytes.length - fresh.length
    if (fresh.length > 0) yield fresh
  }
}

/** Whether an error is the connection's and not the server's answer. fetch reports a body cut short as a TypeError. */
const isBroken = (error: unknown): boolean => isTransient(error) || error instanceof TypeError
