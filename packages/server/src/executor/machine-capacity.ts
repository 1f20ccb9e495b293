import { availableParallelism, totalmem } from 'node:os'
import type { Config } from '../configuration/config.ts'
import type { Capacity } from '../job/resources.ts'

const gib = 2 ** 30

/**
 * What this machine offers to jobs: what the configuration says, else what it has. Of the memory a tenth and at least
 * 1 GiB is kept for the platform and the machine; cores are shared by the kernel, so none is kept.
 */
export function machineCapacity(
  configured: Config['capacity'],
  machine: { readonly cores: number; readonly memoryBytes: number } = {
    cores: availableParallelism(),
    memoryBytes: Math.min(totalmem(), process.constrainedMemory() || Infinity),
  },
): Capacity & { readonly gpuKind?: string } {
  const memory = machine.memoryBytes / gib
  return {
    cores: configured.cores ?? machine.cores,
    memoryGb: configured.memoryGb ?? Math.max(1, Math.floor(memory - Math.max(1, memory / 10))),
    gpus: configured.gpus ?? 0,
    ...(configured.gpuKind === undefined ? {} : { gpuKind: configured.gpuKind }),
  }
}
