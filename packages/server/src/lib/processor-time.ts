/** Milliseconds of processor time of a call. Unlike elapsed time it does not depend on other load of the machine. */
export function processorMs(run: () => unknown): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
