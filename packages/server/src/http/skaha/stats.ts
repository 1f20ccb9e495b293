import type { PlatformStats } from '@science-platform/contract'
import type { Dependencies } from '../server/dependencies.ts'

/** The optional part of stats that the published client shows and the reference server never sends. */
interface GpuStats {
  readonly gpu?: { readonly requestedGPU: number; readonly gpuAvailable: number }
}

/**
 * The load of the platform (wire contract 1.7). *requested* is the capacity allocated to jobs, *Available* the total
 * capacity. Memory is in decimal gigabytes, except that of the largest job, which is in GiB. Pure.
 */
export function platformStats(
  allocated: ReturnType<Dependencies['queue']['allocated']>,
  capacity: ReturnType<Dependencies['capacity']>,
): PlatformStats & GpuStats {
  const { largest } = capacity
  return {
    cores: {
      requestedCPUCores: rounded(allocated.cores),
      cpuCoresAvailable: rounded(capacity.cores),
      maxCPUCores: { cpuCores: Math.floor(largest.cores), withRam: `${Math.floor(largest.memoryGb)}Gi` },
    },
    ram: {
      requestedRAM: gigabytes(allocated.memoryGb),
      ramAvailable: gigabytes(capacity.memoryGb),
      maxRAM: { ram: `${Math.floor(largest.memoryGb)}Gi`, withCPUCores: Math.floor(largest.cores) },
    },
    ...(capacity.gpus === 0 ? {} : { gpu: { requestedGPU: allocated.gpus, gpuAvailable: capacity.gpus } }),
  }
}

/** GiB as decimal gigabytes with at most three decimals: `68.719G`. */
const gigabytes = (gib: number): string => `${rounded((gib * 2 ** 30) / 1e9)}G`

const rounded = (value: number): number => Math.round(value * 1000) / 1000
