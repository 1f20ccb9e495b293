import { chargedCores, chargedHours, decayed } from '../rules/share.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { Policy } from '../../configuration/policy/policy.ts'
import type { Usage } from './snapshot.ts'
import { ExpectedEnds } from './expected-ends.ts'
import type { Allocation } from './node-state.ts'
import { QuotaHolder } from './quota-holder.ts'
import { countBefore } from '../../lib/sorted.ts'

/** A user and the group that is charged, or a user alone: its usage and its allocations. */
export class Association {
  readonly user: QuotaHolder
  readonly group: QuotaHolder | undefined
  /** The quota holders whose limits apply to its jobs. */
  readonly quotaHolders: readonly QuotaHolder[]
  readonly contender: Contender
  usage: Usage | undefined
  /** Jobs that wait or have an allocation. */
  jobs = 0
  /** Parts of the policy's points, from 0 to 1: as of the last {@link Ledger.share}. */
  groupShare = 1
  userShare = 1
  /** Charged cores now, in hundredths, and the sum of each times its start: whole numbers, so sums are exact. */
  #rate = 0
  #rateTimesStart = 0

  constructor(user: QuotaHolder, group: QuotaHolder | undefined, contender: Contender) {
    this.user = user
    this.group = group
    this.contender = contender
    this.quotaHolders = group === undefined ? [user] : [user, group]
  }

  charge(rate: number, start: number, sign: 1 | -1): void {
    this.#rate += sign * rate
    this.#rateTimesStart += sign * rate * start
  }

  /** Core-hours as they count now. */
  used(now: number, clock: number, halfLifeHours: number): number {
    const past = this.usage === undefined ? 0 : decayed(this.usage, now, halfLifeHours)
    const current = Math.max(0, this.#rate * clock - this.#rateTimesStart)
    return past + (current / 100) * (clockStepMs / 3_600_000)
  }
}

/** A group, or a user who charges none, that competes for the platform. */
class Contender {
  readonly key: string
  /** In order of the user's name. */
  readonly associations: Association[] = []

  constructor(key: string) {
    this.key = key
  }
}

const clockStepMs = 10_000

/** Usage, allocations and shares of all users and groups. */
export class Ledger {
  readonly users = new Map<string, QuotaHolder>()
  readonly groups = new Map<string, QuotaHolder>()
  readonly #associations = new Map<string, Association>()
  /** In order of their keys, so that sums do not depend on the sequence of events. */
  readonly #contenders: Contender[] = []
  readonly #policy: Policy
  readonly #offPeak: OffPeakHours | undefined
  #watchesEnds = false

  constructor(policy: Policy, offPeak: OffPeakHours | undefined) {
    this.#policy = policy
    this.#offPeak = offPeak
  }

  user(name: string): QuotaHolder {
    return quotaHolderIn(this.users, 'user', name)
  }

  group(name: string): QuotaHolder {
    return quotaHolderIn(this.groups, 'group', name)
  }

  association(user: string, group: string | undefined): Association {
    const key = associationKey(user, group)
    let association = this.#associations.get(key)
    if (association === undefined) {
      const contender = this.#contender(group === undefined ? `user ${user}` : `group ${group}`)
      association = new Association(this.user(user), group === undefined ? undefined : this.group(group), contender)
      this.#associations.set(key, association)
      const place = countBefore(contender.associations, ({ user: { name } }) => name < user)
      contender.associations.splice(place, 0, association)
    }
    return association
  }

  associations(): Iterable<Association> {
    return this.#associations.values()
  }

  /** An allocation begins (1) or ends (-1). */
  allocate(allocation: Allocation, sign: 1 | -1): void {
    const { job } = allocation
    const association = this.association(job.user, job.group)
    for (const quotaHolder of association.quotaHolders) {
      quotaHolder.add(allocation, sign)
      if (this.#watchesEnds) watchEnd(quotaHolder, allocation, sign)
    }
    association.charge(Math.round(chargedCores(job.needs, this.#policy) * 100), this.#clock(job.placedAt), sign)
    association.jobs += sign
  }

  /**
   * From now on {@link QuotaHolder.roomAt} can answer.
   * @param allocations - All of them. Most platforms never need this, so the ledger does not sort them before.
   */
  watchEnds(allocations: Iterable<Allocation>): void {
    if (this.#watchesEnds) return
    this.#watchesEnds = true
    for (const allocation of allocations)
      for (const quotaHolder of this.association(allocation.job.user, allocation.job.group).quotaHolders)
        watchEnd(quotaHolder, allocation, 1)
  }

  /** Computes the share of every association. `capacity` is the platform's, in charged cores. */
  share(now: number, capacity: number): void {
    const { halfLifeHours } = this.#policy
    const clock = this.#clock(now)
    // A user of the whole platform for ever has used this much, decayed.
    const all = (capacity * halfLifeHours) / Math.LN2
    const present = this.#contenders.filter(({ associations }) => associations.some(({ jobs }) => jobs > 0))
    const weights = present.reduce((sum, contender) => sum + weightOf(contender), 0)
    for (const contender of present) {
      const used = contender.associations.map((association) => association.used(now, clock, halfLifeHours))
      const fair = (all * weightOf(contender)) / weights
      const groupShare = shareLeft(
        used.reduce((sum, each) => sum + each, 0),
        fair,
      )
      const members = contender.associations.reduce((sum, { jobs, user }) => (jobs > 0 ? sum + user.weight : sum), 0)
      contender.associations.forEach((association, i) => {
        association.groupShare = groupShare
        association.userShare =
          association.group === undefined
            ? groupShare
            : shareLeft(used[i] ?? 0, (fair * association.user.weight) / members)
      })
    }
  }

  /** The time as it is charged, in steps: it goes slower in off-peak hours. */
  #clock(at: number): number {
    return Math.floor((chargedHours(0, at, this.#policy, this.#offPeak) * 3_600_000) / clockStepMs)
  }

  #contender(key: string): Contender {
    const place = countBefore(this.#contenders, (other) => other.key < key)
    const found = this.#contenders[place]
    if (found?.key === key) return found
    const contender = new Contender(key)
    this.#contenders.splice(place, 0, contender)
    return contender
  }
}

function watchEnd(quotaHolder: QuotaHolder, allocation: Allocation, sign: 1 | -1): void {
  quotaHolder.ends ??= new ExpectedEnds()
  if (sign === 1) quotaHolder.ends.add(allocation)
  else quotaHolder.ends.delete(allocation)
}

/** The key of a user and the group that is charged. */
export const associationKey = (user: string, group: string | undefined): string => `${user}\n${group ?? ''}`

const weightOf = ({ associations }: Contender): number =>
  associations[0]?.group?.weight ?? associations[0]?.user.weight ?? 1

/** 1 where nothing was used, a half where the fair part was, a quarter where twice as much; 0 without a part. */
const shareLeft = (used: number, fair: number): number => (fair > 0 ? (used === 0 ? 1 : 2 ** (-used / fair)) : 0)

function quotaHolderIn(quotaHolders: Map<string, QuotaHolder>, kind: 'user' | 'group', name: string): QuotaHolder {
  let quotaHolder = quotaHolders.get(name)
  if (quotaHolder === undefined) {
    quotaHolder = new QuotaHolder(kind, name)
    quotaHolders.set(name, quotaHolder)
  }
  return quotaHolder
}
