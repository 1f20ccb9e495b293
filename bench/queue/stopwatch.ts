import { readFileSync } from 'node:fs'

/** Milliseconds that this thread has waited for a processor. Zero where the kernel does not tell. */
function waitedMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/**
 * How long something takes that waits for nothing: the time that passes less the time in which others had the processor, so
 * that what else the machine does is measured little. (The kernel's count of time used goes in steps of some milliseconds.)
 */
export function timed<T>(act: () => T): { readonly result: T; readonly ms: number } {
  const waited = waitedMs()
  const before = performance.now()
  const result = act()
  const passed = performance.now() - before
  return { result, ms: Math.max(0, passed - (waitedMs() - waited)) }
}
