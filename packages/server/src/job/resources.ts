import type { PlatformContext, Resources } from '@science-platform/contract'
import { InvalidRequest } from './invalid.ts'

/** Capacity in the units of requests: cores, GiB, GPUs. */
export interface Capacity {
  readonly cores: number
  readonly memoryGb: number
  readonly gpus: number
}

/** The limit of a job that requests nothing (wire contract 2.6). */
const flexibleLimit = { cores: 8, memoryGb: 32 } as const

/** Sizes on offer, from the largest node (wire contract 1.7). */
export function contextOf(largest: Capacity, maxInteractiveSessions: number): PlatformContext {
  const cores = Math.max(1, Math.floor(largest.cores))
  const memory = Math.max(1, Math.floor(largest.memoryGb))
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1)
  return {
    cores: { default: 1, defaultRequest: 1, defaultLimit: Math.min(flexibleLimit.cores, cores), options: upTo(cores) },
    memoryGB: {
      default: 1,
      defaultRequest: 1,
      defaultLimit: Math.min(flexibleLimit.memoryGb, memory),
      options: upTo(memory),
    },
    gpus: { options: upTo(Math.floor(largest.gpus)) },
    maxInteractiveSessions,
  }
}

/**
 * Resources of a job. Requested cores and memory are both the request and the limit. Those left out are flexible: a small
 * request and a generous limit (wire contract 2.6).
 * @throws {InvalidRequest} when no node could ever run the job.
 */
export function resourcesFor(
  asked: {
    readonly cores?: number | undefined
    readonly memoryGb?: number | undefined
    readonly gpus?: number | undefined
  },
  context: PlatformContext,
): Resources {
  const gpus = asked.gpus ?? 0
  tooMuch('cores', asked.cores, context.cores.options.length, 'cores')
  tooMuch('memoryGb', asked.memoryGb, context.memoryGB.options.length, 'GiB of memory')
  tooMuch('gpus', gpus, context.gpus.options.length, 'GPUs')
  return {
    cores:
      asked.cores === undefined
        ? { request: context.cores.defaultRequest, limit: context.cores.defaultLimit }
        : { request: asked.cores, limit: asked.cores },
    memoryGb:
      asked.memoryGb === undefined
        ? { request: context.memoryGB.defaultRequest, limit: context.memoryGB.defaultLimit }
        : { request: asked.memoryGb, limit: asked.memoryGb },
    gpus,
    fixed: asked.memoryGb !== undefined,
  }
}

function tooMuch(field: string, asked: number | undefined, most: number, unit: string): void {
  if (asked === undefined || asked <= most) return
  throw new InvalidRequest(
    field,
    `${field} is ${asked}, but no node has more than ${most} ${unit} for jobs`,
    most === 0 ? `Leave ${field} out.` : `Ask for at most ${most}.`,
    'never-fits',
  )
}
