import { type Account, type HolderState, limitsOf } from '../cache/ledger.ts'
import type { QueueState } from '../cache/queue-state.ts'
import type { Holder, Limits } from '../../configuration/policy/policy.ts'
import type { Needs, PlannedJob } from '../cache/snapshot.ts'

/** Limits in a scale model of the cluster. */
export interface ScaledLimits {
  readonly users: ReadonlyMap<string, Holder>
  readonly groups: ReadonlyMap<string, Holder>
  /** Of so many waiting jobs of an account one is to be in the model. */
  readonly scaleOf: (account: Account) => number
  /** Whose running jobs are to be in the model as its waiting ones are: the asked job's user or group, where a limit leaves it more than its part. */
  readonly bound: { readonly holder: HolderState; readonly scale: number } | undefined
}

/**
 * Limits as much smaller as the cluster, but never below the largest waiting job that they apply to: jobs keep their size,
 * and one that exceeds a limit would never start. Where that leaves the asked job's own user or group more than its part,
 * more of its jobs are in the model too, so that they take as long.
 */
export function scaledLimits(state: QueueState, asked: PlannedJob, scale: number): ScaledLimits {
  const largest = largestByHolder(state, asked)
  const own = state.ledger.account(asked.user, asked.group)
  const within = (holder: HolderState): number => scaleWithin(limitsByHour(state, holder), largest.get(holder), scale)
  const groupScale = own.group === undefined ? scale : within(own.group)
  const userScale = Math.min(groupScale, within(own.user))
  const holder = own.group !== undefined && groupScale === userScale ? own.group : own.user
  const scaleOf = ({ user, group }: Account): number => {
    if (user === own.user) return userScale
    return group !== undefined && group === own.group ? groupScale : scale
  }
  const users = new Map<string, Holder | undefined>()
  const groups = new Map<string, Holder | undefined>()
  for (const account of [own, ...state.ledger.accounts()]) {
    const { user, group } = account
    if (!users.has(user.name)) users.set(user.name, scaledHolder(state, user, largest.get(user), scaleOf(account)))
    if (group === undefined || groups.has(group.name)) continue
    groups.set(group.name, scaledHolder(state, group, largest.get(group), group === own.group ? groupScale : scale))
  }
  return {
    users: present(users),
    groups: present(groups),
    scaleOf,
    bound: userScale < scale ? { holder, scale: userScale } : undefined,
  }
}

const present = (holders: ReadonlyMap<string, Holder | undefined>): ReadonlyMap<string, Holder> =>
  new Map([...holders].flatMap(([name, holder]) => (holder === undefined ? [] : [[name, holder] as const])))

type Largest = Readonly<Record<keyof Limits, number>>

/** The most that a waiting job of a user or group asks for. */
function largestByHolder(state: QueueState, asked: PlannedJob): ReadonlyMap<HolderState, Largest> {
  const largest = new Map<HolderState, Largest>()
  const see = ({ user, group }: Account, { cores, memoryGb, gpus }: Needs): void => {
    for (const holder of [user, group]) {
      if (holder === undefined) continue
      const most = largest.get(holder)
      largest.set(holder, {
        cores: Math.max(cores, most?.cores ?? 0),
        memoryGb: Math.max(memoryGb, most?.memoryGb ?? 0),
        gpus: Math.max(gpus, most?.gpus ?? 0),
        running: 1,
        queued: 0,
      })
    }
  }
  see(state.ledger.account(asked.user, asked.group), asked.needs)
  for (const { account, shape } of state.groups.values()) see(account, shape.needs)
  return largest
}

/** At other hours and in off-peak hours. */
const limitsByHour = ({ policy }: QueueState, { kind, set }: HolderState): readonly [Limits, Limits] => [
  limitsOf(policy.limits[kind], set?.limits, false),
  limitsOf(policy.limits[kind], set?.limits, true),
]

/** So that three tenths of 10 are 3. */
const rounding = 1e-6

const entriesOf = (limits: Limits) => Object.entries(limits) as [keyof Limits, number][]

/** As much as the limits allow with as many of the largest job as makes whole numbers. */
function scaleWithin(limits: readonly Limits[], largest: Largest | undefined, scale: number): number {
  const slots = limits
    .flatMap(entriesOf)
    .map(([on, limit]) =>
      largest === undefined || largest[on] === 0 ? Infinity : Math.floor(limit / largest[on] + rounding),
    )
    .reduce((least, each) => Math.min(least, each), Infinity)
  return slots < 1 || slots === Infinity ? scale : slots / Math.ceil(slots / scale)
}

/** Undefined: nothing is set for it, and no limit holds for all. */
function scaledHolder(
  state: QueueState,
  holder: HolderState,
  largest: Largest | undefined,
  scale: number,
): Holder | undefined {
  const [always = {}, offPeak = {}] = limitsByHour(state, holder).map((limits) =>
    Object.fromEntries(
      entriesOf(limits).map(([on, limit]) => [
        on,
        Math.max(Math.ceil(limit / scale - rounding), Math.min(limit, largest?.[on] ?? 0)),
      ]),
    ),
  )
  const isLimited = entriesOf(always).length + entriesOf(offPeak).length > 0
  return isLimited ? { ...holder.set, limits: { ...always, offPeak } } : holder.set
}
