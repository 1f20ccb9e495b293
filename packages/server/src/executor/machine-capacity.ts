import { availableParallelism, totalmem } from 'node:os'
import type { Config } from '../configuration/config.ts'
import type { Capacity } from '../job/resources.ts'

const gib = 2 ** 30

/**
 * What this machine offers to jobs: the values of the configuration, else what the machine has. The platform and the machine keep a
 * tenth of the memory and at least 1 GiB. They keep no core, since the kernel shares cores.
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
