import { UnreachableError } from './unreachable-error.ts'
import { ProblemError } from './problem-error.ts'

/** Seconds of retries while the server is unreachable: enough for a restart or an upgrade. */
export const patienceSeconds = 300

/** Whether a retry may succeed: no answer came, or a proxy answered that the server is unavailable. */
export const isTransient = (error: unknown): boolean =>
  error instanceof UnreachableError || (error instanceof ProblemError && [502, 503, 504].includes(error.status))

/** Milliseconds before the next retry: 250, doubling up to 5,000. */
export const backoffMilliseconds = (failures: number): number => Math.min(250 * 2 ** (failures - 1), 5_000)

/** Resolves after so many milliseconds; rejects with the signal's reason as soon as it is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error)
      return
    }
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Retries transient failures with backoff for so many seconds, then throws the last one. */
export async function persist<T>(work: () => Promise<T>, forSeconds: number, signal?: AbortSignal): Promise<T> {
  const until = Date.now() + forSeconds * 1000
  for (let failures = 1; ; failures += 1) {
    try {
      return await work()
    } catch (error) {
      if (!isTransient(error) || Date.now() >= until) throw error
    }
    await pause(backoffMilliseconds(failures), signal)
  }
}
