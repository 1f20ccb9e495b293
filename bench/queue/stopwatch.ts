import { readFileSync } from 'node:fs'

/** Milliseconds that this thread has waited for a processor. Zero where the kernel does not report it. */
function waitedMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/**
 * Time of work that never waits: elapsed time minus the wait for a processor, so that other work on the machine has little
 * effect. (The processor time of the kernel has steps of some milliseconds.)
 */
export function timed<T>(act: () => T): { readonly result: T; readonly ms: number } {
  const waited = waitedMs()
  const before = performance.now()
  const result = act()
  const passed = performance.now() - before
  return { result, ms: Math.max(0, passed - (waitedMs() - waited)) }
}
