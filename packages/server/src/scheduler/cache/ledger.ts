import { chargedCores, chargedHours, decayed } from '../rules/share.ts'
import type { OffPeakHours } from '../../configuration/policy/off-peak.ts'
import type { Holder, Limits, LimitsByHour, Policy } from '../../configuration/policy/policy.ts'
import type { LimitHit, Usage } from './snapshot.ts'
import { ExpectedEnds } from './expected-ends.ts'
import type { Holding } from './node-state.ts'
import { minus, nothing, sizeOfOffer, type Size } from '../rules/size.ts'
import { countBefore } from '../../lib/sorted.ts'

/** A user or a group, and what it holds. */
export class HolderState {
  readonly kind: 'user' | 'group'
  readonly name: string
  set: Holder | undefined
  milliCores = 0
  mib = 0
  gpus = 0
  running = 0
  /** When what it holds is expected to end; see {@link Ledger.watchEnds}. */
  ends: ExpectedEnds | undefined
  #limits:
    | { readonly policy: Policy; readonly open: boolean; readonly set: Holder | undefined; readonly now: Most }
    | undefined

  constructor(kind: 'user' | 'group', name: string) {
    this.kind = kind
    this.name = name
  }

  get weight(): number {
    return this.set?.weight ?? 1
  }

  add(holding: Holding, sign: 1 | -1): void {
    const { size } = holding
    this.milliCores += sign * size.milliCores
    this.mib += sign * size.mib
    this.gpus += sign * size.gpus
    this.running += sign
  }

  /** Whether anything sets it a limit, at whatever hour. */
  isLimited({ limits }: Policy): boolean {
    return isSome(limits[this.kind]) || (this.set?.limits !== undefined && isSome(this.set.limits))
  }

  /** Whether one job more of this size is too much, where so much of the limits is kept for others. */
  isFull(size: Size, policy: Policy, open: boolean, kept = keptNothing): boolean {
    return exceeds(this, size, this.#most(policy, open), kept)
  }

  /** What it may still hold. */
  headroom(policy: Policy, open: boolean): Size {
    const most = this.#most(policy, open)
    return this.running >= most.running ? nothing : minus(most, this)
  }

  /**
   * When one job more of this size is not too much, as far as is expected of what is held; undefined where it always is. It takes
   * {@link Ledger.watchEnds}.
   */
  roomAt(size: Size, policy: Policy, open: boolean, now: number): number | undefined {
    const most = this.#most(policy, open)
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

  /** Which limit one job more of this size meets, where so much of it is kept for other jobs. */
  hit(
    size: Size,
    policy: Policy,
    open: boolean,
    opensAt: number | undefined,
    kept = keptNothing,
  ): LimitHit | undefined {
    const most = this.#most(policy, open)
    const meets = (
      on: LimitHit['on'],
      unit: number,
      amounts: { readonly held: number; readonly kept: number; readonly asks: number; readonly most: number },
    ): LimitHit | undefined => {
      const { held, asks } = amounts
      if (asks === 0 || held + amounts.kept + asks <= amounts.most) return undefined
      const offPeak = open ? undefined : limitsOf(policy.limits[this.kind], this.set?.limits, true)[on]
      const now = limitsOf(policy.limits[this.kind], this.set?.limits, open)[on] ?? 0
      const larger = offPeak !== undefined && opensAt !== undefined && offPeak > now
      return {
        holder: this.kind,
        name: this.name,
        on,
        limit: now,
        held: held / unit,
        ...(amounts.kept === 0 ? {} : { kept: amounts.kept / unit }),
        asks: asks / unit,
        ...(larger ? { larger: { limit: offPeak, at: opensAt } } : {}),
      }
    }
    const of = (unit: keyof Size) => ({ held: this[unit], kept: kept.size[unit], asks: size[unit], most: most[unit] })
    return (
      meets('running', 1, { held: this.running, kept: kept.jobs, asks: 1, most: most.running }) ??
      meets('cores', 1000, of('milliCores')) ??
      meets('memoryGb', 1024, of('mib')) ??
      meets('gpus', 1, of('gpus'))
    )
  }

  #most(policy: Policy, open: boolean): Most {
    const known = this.#limits
    if (known !== undefined && known.policy === policy && known.open === open && known.set === this.set)
      return known.now
    const now = mostOf(limitsOf(policy.limits[this.kind], this.set?.limits, open))
    this.#limits = { policy, open, set: this.set, now }
    return now
  }
}

/** Whether there is a limit among these, without making a list of them: it is asked for every candidate. */
function isSome(limits: LimitsByHour): boolean {
  for (const _ in limits) return true
  return false
}

interface Most extends Size {
  readonly running: number
}

/** What of a holder's limits is kept for jobs that wait. */
interface KeptForJobs {
  readonly size: Size
  readonly jobs: number
}

const keptNothing: KeptForJobs = { size: nothing, jobs: 0 }

const exceeds = (held: Most, { milliCores, mib, gpus }: Size, most: Most, kept = keptNothing): boolean =>
  held.running + kept.jobs + 1 > most.running ||
  held.milliCores + kept.size.milliCores + milliCores > most.milliCores ||
  held.mib + kept.size.mib + mib > most.mib ||
  // Nobody is kept from a job without GPUs by a limit on GPUs: it may have been lowered below what he holds.
  (gpus > 0 && held.gpus + kept.size.gpus + gpus > most.gpus)

const mostOf = ({ cores = Infinity, memoryGb = Infinity, gpus = Infinity, running = Infinity }: Limits): Most => ({
  ...sizeOfOffer({ cores, memoryGb, gpus }),
  running,
})

/** The limits that hold now: what is set for one before what holds for all, off-peak before always. */
export function limitsOf(forAll: LimitsByHour, forOne: LimitsByHour | undefined, offPeakNow: boolean): Limits {
  const { offPeak: allOffPeak, ...all } = forAll
  const { offPeak: oneOffPeak, ...one } = forOne ?? {}
  return offPeakNow ? { ...all, ...allOffPeak, ...one, ...oneOffPeak } : { ...all, ...one }
}

/** What a user has used and holds in the name of one group, or of nobody. */
export class Account {
  readonly user: HolderState
  readonly group: HolderState | undefined
  /** Whose limits count for its jobs. */
  readonly holders: readonly HolderState[]
  readonly contender: Contender
  usage: Usage | undefined
  /** Jobs that wait or hold capacity. */
  jobs = 0
  /** Parts of the policy's points, from 0 to 1: as of the last {@link Ledger.share}. */
  groupShare = 1
  userShare = 1
  /** Charged cores held now, in hundredths, and the sum of each with the time when it began: whole numbers, so sums are exact. */
  #rate = 0
  #rateTimesStart = 0

  constructor(user: HolderState, group: HolderState | undefined, contender: Contender) {
    this.user = user
    this.group = group
    this.contender = contender
    this.holders = group === undefined ? [user] : [user, group]
  }

  hold(rate: number, start: number, sign: 1 | -1): void {
    this.#rate += sign * rate
    this.#rateTimesStart += sign * rate * start
  }

  /** Core-hours as they count now. */
  used(now: number, clock: number, halfLifeHours: number): number {
    const past = this.usage === undefined ? 0 : decayed(this.usage, now, halfLifeHours)
    const held = Math.max(0, this.#rate * clock - this.#rateTimesStart)
    return past + (held / 100) * (clockStepMs / 3_600_000)
  }
}

/** Whoever competes with others for the platform: a group, or a user who charges none. */
class Contender {
  readonly key: string
  /** In order of the user's name. */
  readonly accounts: Account[] = []

  constructor(key: string) {
    this.key = key
  }
}

const clockStepMs = 10_000

/** Who holds and has used what. */
export class Ledger {
  readonly users = new Map<string, HolderState>()
  readonly groups = new Map<string, HolderState>()
  readonly #accounts = new Map<string, Account>()
  /** In order of their keys, so that sums come out the same whatever came first. */
  readonly #contenders: Contender[] = []
  readonly #policy: Policy
  readonly #offPeak: OffPeakHours | undefined
  #watchesEnds = false

  constructor(policy: Policy, offPeak: OffPeakHours | undefined) {
    this.#policy = policy
    this.#offPeak = offPeak
  }

  user(name: string): HolderState {
    return holderIn(this.users, 'user', name)
  }

  group(name: string): HolderState {
    return holderIn(this.groups, 'group', name)
  }

  account(user: string, group: string | undefined): Account {
    const key = accountKey(user, group)
    let account = this.#accounts.get(key)
    if (account === undefined) {
      const contender = this.#contender(group === undefined ? `user ${user}` : `group ${group}`)
      account = new Account(this.user(user), group === undefined ? undefined : this.group(group), contender)
      this.#accounts.set(key, account)
      const place = countBefore(contender.accounts, ({ user: { name } }) => name < user)
      contender.accounts.splice(place, 0, account)
    }
    return account
  }

  accounts(): Iterable<Account> {
    return this.#accounts.values()
  }

  /** A job takes or gives back what it holds. */
  hold(holding: Holding, sign: 1 | -1): void {
    const { job } = holding
    const account = this.account(job.user, job.group)
    for (const holder of account.holders) {
      holder.add(holding, sign)
      if (this.#watchesEnds) watchEnd(holder, holding, sign)
    }
    account.hold(Math.round(chargedCores(job.needs, this.#policy) * 100), this.#clock(job.placedAt), sign)
    account.jobs += sign
  }

  /** From now on it is known when each holder has room again. @param held - All that is held: most platforms never need to know. */
  watchEnds(held: Iterable<Holding>): void {
    if (this.#watchesEnds) return
    this.#watchesEnds = true
    for (const holding of held)
      for (const holder of this.account(holding.job.user, holding.job.group).holders) watchEnd(holder, holding, 1)
  }

  /** Works out everybody's share. `capacity` is the platform's, in charged cores. */
  share(now: number, capacity: number): void {
    const { halfLifeHours } = this.#policy
    const clock = this.#clock(now)
    // Who uses all of the platform for ever has used this much, with what is long ago decayed.
    const all = (capacity * halfLifeHours) / Math.LN2
    const present = this.#contenders.filter(({ accounts }) => accounts.some(({ jobs }) => jobs > 0))
    const weights = present.reduce((sum, contender) => sum + weightOf(contender), 0)
    for (const contender of present) {
      const used = contender.accounts.map((account) => account.used(now, clock, halfLifeHours))
      const fair = (all * weightOf(contender)) / weights
      const groupShare = shareLeft(
        used.reduce((sum, each) => sum + each, 0),
        fair,
      )
      const members = contender.accounts.reduce((sum, { jobs, user }) => (jobs > 0 ? sum + user.weight : sum), 0)
      contender.accounts.forEach((account, i) => {
        account.groupShare = groupShare
        account.userShare =
          account.group === undefined ? groupShare : shareLeft(used[i] ?? 0, (fair * account.user.weight) / members)
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

function watchEnd(holder: HolderState, holding: Holding, sign: 1 | -1): void {
  holder.ends ??= new ExpectedEnds()
  if (sign === 1) holder.ends.add(holding)
  else holder.ends.delete(holding)
}

const accountKey = (user: string, group: string | undefined): string => `${user}\n${group ?? ''}`

const weightOf = ({ accounts }: Contender): number => accounts[0]?.group?.weight ?? accounts[0]?.user.weight ?? 1

/** 1 where nothing was used, a half where the fair part was, a quarter where twice as much; 0 without a part. */
const shareLeft = (used: number, fair: number): number => (fair > 0 ? (used === 0 ? 1 : 2 ** (-used / fair)) : 0)

function holderIn(holders: Map<string, HolderState>, kind: 'user' | 'group', name: string): HolderState {
  let holder = holders.get(name)
  if (holder === undefined) {
    holder = new HolderState(kind, name)
    holders.set(name, holder)
  }
  return holder
}
