import type { PlatformStats } from '@science-platform/contract'
import type { Dependencies } from '../server/dependencies.ts'

/** The optional part of stats that the published client shows and the reference server never sends. */
interface GpuStats {
  readonly gpu?: { readonly requestedGPU: number; readonly gpuAvailable: number }
}

/**
 * What the platform has and what of it is in use (wire contract 1.7). *requested* is what is set aside for jobs now,
 * *Available* what there is altogether. Memory is in decimal gigabytes, but for the largest job's, which is in GiB, as
 * it is asked for. Pure.
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
