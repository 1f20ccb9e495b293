import { UnreachableError } from './unreachable-error.ts'
import { ProblemError } from './problem-error.ts'

/** Seconds for which a lost server is waited for: long enough for it to be restarted or upgraded. */
export const patienceSeconds = 300

/** Whether trying again may help: nothing answered, or a proxy said that the server is away. */
export const isTransient = (error: unknown): boolean =>
  error instanceof UnreachableError || (error instanceof ProblemError && [502, 503, 504].includes(error.status))

/** Milliseconds before the next try: a quarter of a second, doubling up to five. */
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

/** Works until it succeeds, waiting longer after each transient failure; throws the last one when the time is up. */
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
