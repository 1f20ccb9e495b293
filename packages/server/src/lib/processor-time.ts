/** Milliseconds of processor time that something takes. Unlike those of the clock they do not grow with the machine's other work. */
export function processorMs(run: () => unknown): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
