import type { Limits, LimitsByHour, Policy, QuotaSettings } from '../../configuration/policy/policy.ts'
import type { LimitHit } from './snapshot.ts'
import type { ExpectedEnds } from './expected-ends.ts'
import type { Allocation } from './node-state.ts'
import { minus, nothing, sizeOfOffer, type Size } from '../rules/size.ts'

/** A user or a group with limits, and the sum of its allocations. */
export class QuotaHolder {
  readonly kind: 'user' | 'group'
  readonly name: string
  settings: QuotaSettings | undefined
  milliCores = 0
  mib = 0
  gpus = 0
  running = 0
  /** When its allocations are expected to end; see {@link Ledger.watchEnds}. */
  ends: ExpectedEnds | undefined
  #limits:
    | {
        readonly policy: Policy
        readonly isOffPeak: boolean
        readonly settings: QuotaSettings | undefined
        readonly now: Most
      }
    | undefined

  constructor(kind: 'user' | 'group', name: string) {
    this.kind = kind
    this.name = name
  }

  get weight(): number {
    return this.settings?.weight ?? 1
  }

  add(allocation: Allocation, sign: 1 | -1): void {
    const { size } = allocation
    this.milliCores += sign * size.milliCores
    this.mib += sign * size.mib
    this.gpus += sign * size.gpus
    this.running += sign
  }

  /** Whether it has any limit, at any hour. */
  isLimited({ limits }: Policy): boolean {
    return isSome(limits[this.kind]) || (this.settings?.limits !== undefined && isSome(this.settings.limits))
  }

  /** Whether one job more of this size exceeds a limit, where part of the limits is reserved for other jobs. */
  wouldExceed(size: Size, policy: Policy, isOffPeak: boolean, reserved = nothingReserved): boolean {
    return exceeds(this, size, this.#most(policy, isOffPeak), reserved)
  }

  /** The capacity that its limits leave. */
  headroom(policy: Policy, isOffPeak: boolean): Size {
    const most = this.#most(policy, isOffPeak)
    return this.running >= most.running ? nothing : minus(most, this)
  }

  /**
   * When one job more of this size exceeds no limit, by the expected ends of its allocations; undefined where it always does.
   * Needs {@link Ledger.watchEnds}.
   */
  roomAt(size: Size, policy: Policy, isOffPeak: boolean, now: number): number | undefined {
    const most = this.#most(policy, isOffPeak)
    if (!exceeds(this, size, most)) return now
    let { milliCores, mib, gpus, running } = this
    for (const end of this.ends?.inOrder(now) ?? []) {
      milliCores -= end.size.milliCores
      mib -= end.size.mib
      gpus -= end.size.gpus
      running--
      if (!exceeds({ milliCores, mib, gpus, running }, size, most)) return end.at
    }
    return undefined
  }

  /** The limit that one job more of this size meets, where part of the limits is reserved for other jobs. */
  hit(
    size: Size,
    policy: Policy,
    isOffPeak: boolean,
    opensAt: number | undefined,
    reserved = nothingReserved,
  ): LimitHit | undefined {
    const most = this.#most(policy, isOffPeak)
    const meets = (
      on: LimitHit['on'],
      unit: number,
      amounts: {
        readonly allocated: number
        readonly reserved: number
        readonly asks: number
        readonly most: number
      },
    ): LimitHit | undefined => {
      const { allocated, asks } = amounts
      if (asks === 0 || allocated + amounts.reserved + asks <= amounts.most) return undefined
      const offPeak = isOffPeak ? undefined : limitsOf(policy.limits[this.kind], this.settings?.limits, true)[on]
      const now = limitsOf(policy.limits[this.kind], this.settings?.limits, isOffPeak)[on] ?? 0
      const isLarger = offPeak !== undefined && opensAt !== undefined && offPeak > now
      return {
        holder: this.kind,
        name: this.name,
        on,
        limit: now,
        allocated: allocated / unit,
        ...(amounts.reserved === 0 ? {} : { reserved: amounts.reserved / unit }),
        asks: asks / unit,
        ...(isLarger ? { larger: { limit: offPeak, at: opensAt } } : {}),
      }
    }
    const of = (unit: keyof Size) => ({
      allocated: this[unit],
      reserved: reserved.size[unit],
      asks: size[unit],
      most: most[unit],
    })
    return (
      meets('running', 1, { allocated: this.running, reserved: reserved.jobs, asks: 1, most: most.running }) ??
      meets('cores', 1000, of('milliCores')) ??
      meets('memoryGb', 1024, of('mib')) ??
      meets('gpus', 1, of('gpus'))
    )
  }

  #most(policy: Policy, isOffPeak: boolean): Most {
    const known = this.#limits
    if (known?.policy === policy && known.isOffPeak === isOffPeak && known.settings === this.settings) return known.now
    const now = mostOf(limitsOf(policy.limits[this.kind], this.settings?.limits, isOffPeak))
    this.#limits = { policy, isOffPeak, settings: this.settings, now }
    return now
  }
}

/** Whether there is a limit among these. Without an array of them: every candidate of a cycle asks. */
function isSome(limits: LimitsByHour): boolean {
  for (const _ in limits) return true
  return false
}

interface Most extends Size {
  readonly running: number
}

/** The part of a quota holder's limits that is reserved for waiting jobs. */
export interface ReservedForJobs {
  readonly size: Size
  readonly jobs: number
}

const nothingReserved: ReservedForJobs = { size: nothing, jobs: 0 }

const exceeds = (allocated: Most, { milliCores, mib, gpus }: Size, most: Most, reserved = nothingReserved): boolean =>
  allocated.running + reserved.jobs + 1 > most.running ||
  allocated.milliCores + reserved.size.milliCores + milliCores > most.milliCores ||
  allocated.mib + reserved.size.mib + mib > most.mib ||
  // A limit on GPUs stops no job without GPUs: the limit may have been lowered below what is allocated.
  (gpus > 0 && allocated.gpus + reserved.size.gpus + gpus > most.gpus)

const mostOf = ({ cores = Infinity, memoryGb = Infinity, gpus = Infinity, running = Infinity }: Limits): Most => ({
  ...sizeOfOffer({ cores, memoryGb, gpus }),
  running,
})

/** The limits at an hour: the settings of one quota holder before the policy's for all, off-peak values before the others. */
export function limitsOf(forAll: LimitsByHour, forOne: LimitsByHour | undefined, isOffPeak: boolean): Limits {
  const { offPeak: allOffPeak, ...all } = forAll
  const { offPeak: oneOffPeak, ...one } = forOne ?? {}
  return isOffPeak ? { ...all, ...allOffPeak, ...one, ...oneOffPeak } : { ...all, ...one }
}
