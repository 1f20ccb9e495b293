import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { ifThere } from '../../../lib/files.ts'
import { NetworkGuard } from './guard.ts'
import { ResolverOfHost } from './host-resolver.ts'
import { PreviousLeases } from './leases.ts'
import {
  attachSlots,
  hasBridge,
  linkNames,
  makeSlots,
  namespaceId,
  namespaceNames,
  namespacePath,
  removeBridge,
  removeSlots,
  usedSubnets,
} from './links.ts'
import { NameRelay } from './name-relay.ts'
import type { IsolatedNetwork, NetworkLease } from './network.ts'
import { occupiedNamespaces } from './occupied.ts'
import { isInstance, planNetwork, planSlot, seedOf, slotNumber, type NetworkPlan } from './plan.ts'
import { firstSlots } from './pool-size.ts'
import { RulesMonitor } from './rules-monitor.ts'
import { SlotPool } from './slot-pool.ts'
import { chooseSubnet, parseSubnet, printSubnet, type Subnet } from './subnet.ts'
import { Upkeep } from './upkeep.ts'

/** Settings of {@link createIsolatedNetwork}. */
export interface IsolatedNetworkOptions {
  /** Name of this platform, different from others on the machine: 1 to 8 lower-case letters and digits. */
  readonly instance: string
  /** Folder for the network's address block; made when missing. */
  readonly stateDir: string
  /** Slots of attempts that an earlier server started and that may still run, by attempt id. */
  readonly heldSlots: () => Promise<ReadonlyMap<string, number>>
  /** TCP port of the platform's API on the gateway's address. */
  readonly apiPort: number
  /** Milliseconds between two looks at the rules and links without a reason. @defaultValue 5000 */
  readonly lookEveryMs?: number
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
}

/** Milliseconds between two removals of spare slots and of leases that no attempt claims. */
const tidyEvery = 30_000
/** Milliseconds after opening before an unclaimed lease is taken back: its supervisor may just be starting. */
const claimedWithin = 60_000

/** The isolated network of one platform: see {@link IsolatedNetwork}. Needs root, `ip` (iproute2) and `nft` (nftables). */
export function createIsolatedNetwork({
  instance,
  stateDir,
  heldSlots,
  apiPort,
  lookEveryMs = 5000,
  log,
}: IsolatedNetworkOptions): IsolatedNetwork {
  if (!isInstance(instance))
    throw new RangeError(
      `'${instance}' cannot be part of an interface's name: use 1 to 8 lower-case letters and digits`,
    )
  const planFile = join(stateDir, 'network.json')
  const previousLeases = new PreviousLeases(join(stateDir, 'leases'))
  const resolverOfHost = new ResolverOfHost()
  const relay = new NameRelay(log)
  /** Slots by attempt id; `claimed` when this server's executor lists the attempt. */
  const leases = new Map<string, { readonly slot: number; claimed: boolean }>()
  const acquiring = new Map<string, Promise<number>>()
  const namespaceIds = new Map<number, string>()
  let plan: NetworkPlan | undefined
  let upkeep: Upkeep | undefined
  let guard: NetworkGuard | undefined
  const monitor = new RulesMonitor((by) => guard?.changed(by))
  let tidying: Promise<void> = Promise.resolve()
  let tidyTimer: NodeJS.Timeout | undefined
  let openedAt = 0

  const opened = (): NetworkPlan => {
    if (plan === undefined) throw new Error('the isolated network is not open')
    return plan
  }
  const watched = () => {
    if (upkeep === undefined || guard === undefined) throw new Error('the isolated network is not open')
    return { upkeep, guard }
  }
  const slotsOf = (numbers: readonly number[]) => numbers.map((number) => planSlot(opened(), number))

  const pool = new SlotPool(
    {
      make: async (numbers) => {
        const slots = slotsOf(numbers)
        await makeSlots(opened(), slots)
        for (const slot of slots) namespaceIds.set(slot.number, await namespaceId(slot))
      },
      remove: async (numbers) => {
        for (const number of numbers) namespaceIds.delete(number)
        await removeSlots(opened(), slotsOf(numbers))
      },
      occupied: (numbers) => {
        const ids = numbers.map((number) => namespaceIds.get(number) ?? '')
        const found = occupiedNamespaces(new Set(ids))
        return new Set(numbers.filter((_, i) => found.has(ids[i] ?? '')))
      },
    },
    log,
  )

  async function open(): Promise<void> {
    if (process.geteuid?.() !== 0)
      throw new Error('the network isolated needs root: use host or none, or start the server as root')
    const held = new Map([...(await previousLeases.read()), ...(await heldSlots())])
    plan = planNetwork(instance, await subnet(held.size > 0))
    const slots = () => slotsOf(pool.complete())
    upkeep = new Upkeep({ plan, apiPort, resolverOfHost, relay, slots, log })
    guard = new NetworkGuard({ guarded: upkeep, log, everyMs: lookEveryMs })
    await takeOver(held, await upkeep.make())
    await pool.fill(firstSlots)
    monitor.start()
    guard.start()
    openedAt = Date.now()
    tidyTimer = setInterval(() => {
      tidying = tidying.then(tidy).catch((error: unknown) => {
        log.error({ err: error }, 'spare networks of jobs could not be removed')
      })
    }, tidyEvery).unref()
  }

  /** The block of an earlier server while its bridge or its jobs use it, otherwise a free block. */
  async function subnet(isLeased: boolean): Promise<Subnet> {
    const before = await readFile(planFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    if (before !== undefined && (isLeased || (await hasBridge(`sp${instance}`)))) return parseSubnet(before.trim())
    await removeBridge(planNetwork(instance, { base: 0, prefix: 24 }))
    const nameservers = (await resolverOfHost.read()).nameservers.map(parseSubnet)
    const chosen = chooseSubnet([...(await usedSubnets()), ...nameservers], seedOf(instance))
    if (chosen === undefined) {
      throw new Error('no private block of 256 IPv4 addresses is free for jobs: this machine has routes to all of them')
    }
    await mkdir(stateDir, { recursive: true, mode: 0o700 })
    await writeFile(`${planFile}.new`, `${printSubnet(chosen)}\n`)
    await rename(`${planFile}.new`, planFile)
    return chosen
  }

  /** Keeps the slots that attempts of an earlier server hold, and removes its others. */
  async function takeOver(held: ReadonlyMap<string, number>, isNewBridge: boolean): Promise<void> {
    const names = new Set([...(await linkNames()), ...(await namespaceNames())])
    const there = new Set([...names].map((name) => slotNumber(opened(), name)).filter((number) => number !== undefined))
    for (const [attemptId, slot] of held) {
      if (there.has(slot) && ![...leases.values()].some((lease) => lease.slot === slot)) {
        leases.set(attemptId, { slot, claimed: false })
        pool.hold(slot)
        there.delete(slot)
      } else {
        log.warn({ attemptId, slot }, 'the network of an attempt is missing')
        await previousLeases.remove(attemptId)
      }
    }
    await holdOccupied(there)
    await removeSlots(opened(), slotsOf([...there]))
    const kept = slotsOf([...leases.values()].map(({ slot }) => slot))
    for (const slot of kept) namespaceIds.set(slot.number, await namespaceId(slot))
    if (isNewBridge && kept.length > 0) await attachSlots(opened(), kept)
  }

  /** Keeps the slots in which processes run although no attempt of this data directory holds them, until those have ended. */
  async function holdOccupied(numbers: Set<number>): Promise<void> {
    const ids = new Map<number, string>()
    for (const slot of slotsOf([...numbers])) {
      const id = await ifThere(namespaceId(slot)) // a link may be left without its namespace
      if (id !== undefined) ids.set(slot.number, id)
    }
    const occupied = occupiedNamespaces(new Set(ids.values()))
    for (const [slot, id] of ids) {
      if (!occupied.has(id)) continue
      log.warn({ slot }, 'processes run in a network of no known attempt, left alone')
      leases.set(`slot ${slot}`, { slot, claimed: false })
      pool.hold(slot)
      numbers.delete(slot)
    }
  }

  async function tidy(): Promise<void> {
    monitor.start()
    await pool.shrink()
    if (Date.now() - openedAt < claimedWithin) return
    for (const [attemptId, { slot, claimed }] of leases) {
      if (claimed || isOccupied(slot)) continue
      log.warn({ attemptId, slot }, 'the network of an unknown attempt is removed')
      await release(attemptId)
    }
  }

  const isOccupied = (slot: number): boolean => occupiedNamespaces(new Set([namespaceIds.get(slot) ?? ''])).size > 0

  async function acquire(attemptId: string, onWait: (reason: string) => void = () => undefined): Promise<NetworkLease> {
    const held = leases.get(attemptId)
    if (held) held.claimed = true
    let slot = held?.slot
    if (slot === undefined) {
      const pending = acquiring.get(attemptId) ?? lease(attemptId)
      acquiring.set(attemptId, pending)
      slot = await pending
    }
    await whole(attemptId, onWait)
    return describe(slot)
  }

  /** No lease without rules: they are looked at before every lease, unless a look is younger than a second and nothing was reported since. */
  async function whole(attemptId: string, onWait: (reason: string) => void): Promise<void> {
    const { guard, upkeep } = watched()
    if (!(await upkeep.isCurrent())) guard.changed()
    const fault = guard.fault()
    if (fault !== undefined) onWait(`The network of jobs is being repaired: ${fault}.`)
    await guard.whole(attemptId)
  }

  async function lease(attemptId: string): Promise<number> {
    try {
      const slot = await pool.take(attemptId)
      leases.set(attemptId, { slot, claimed: true })
      return slot
    } finally {
      acquiring.delete(attemptId)
    }
  }

  function describe(number: number): NetworkLease {
    const slot = planSlot(opened(), number)
    const { resolvConf, nameservers } = watched().upkeep.resolver
    return {
      slot: number,
      namespacePath: namespacePath(slot),
      resolvConf,
      resolvesNames: nameservers.length > 0,
      hosts: (hostname) =>
        `127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n${slot.address} ${hostname}\n`,
    }
  }

  async function release(attemptId: string, empty = false): Promise<void> {
    pool.leave(attemptId)
    guard?.leave(attemptId)
    // A lease that is just being made is returned once it is made; a refused one has nothing to return.
    await acquiring.get(attemptId)?.catch(() => undefined)
    const held = leases.get(attemptId)
    if (held === undefined) return
    leases.delete(attemptId)
    await previousLeases.remove(attemptId)
    pool.giveBack(held.slot, empty)
  }

  async function close(): Promise<void> {
    clearInterval(tidyTimer)
    monitor.close()
    await guard?.close()
    relay.close()
    await tidying
    const slots = await pool.close()
    if (plan === undefined || upkeep === undefined) return
    const isHeld = [...leases.values()].some(({ slot, claimed }) => claimed || isOccupied(slot))
    if (isHeld) return
    await removeSlots(opened(), slotsOf(slots))
    await upkeep.unmake()
    await rm(stateDir, { recursive: true, force: true })
  }

  return {
    open,
    acquire,
    adopt: (attemptId) => {
      const held = leases.get(attemptId)
      if (held) held.claimed = true
    },
    release,
    close,
    fault: () => guard?.fault(),
    get gateway() {
      return opened().gateway
    },
  }
}
