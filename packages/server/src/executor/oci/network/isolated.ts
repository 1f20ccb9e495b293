import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { ifThere } from '../../../lib/files.ts'
import { runTool } from '../../../lib/tool.ts'
import { ResolverOfHost } from './host-resolver.ts'
import { PreviousLeases } from './leases.ts'
import {
  attachSlots,
  hasBridge,
  linkNames,
  makeBridge,
  makeSlots,
  namespaceId,
  namespaceNames,
  namespacePath,
  removeBridge,
  removeSlots,
  usedSubnets,
} from './links.ts'
import type { IsolatedNetwork, NetworkLease } from './network.ts'
import { occupiedNamespaces } from './occupied.ts'
import { isInstance, planNetwork, planSlot, seedOf, slotNumber, type NetworkPlan } from './plan.ts'
import { firstSlots } from './pool-size.ts'
import type { JobResolver } from './resolver.ts'
import { noRuleset, ruleset } from './ruleset.ts'
import { SlotPool } from './slot-pool.ts'
import { chooseSubnet, parseSubnet, printSubnet, type Subnet } from './subnet.ts'

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
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
}

/** Milliseconds between two removals of spare slots and of leases that no attempt claims. */
const tidyEvery = 30_000
/** Milliseconds after opening before an unclaimed lease is taken back: its supervisor may just be starting. */
const claimedWithin = 60_000

const forwardSwitch = '/proc/sys/net/ipv4/ip_forward'

/** The isolated network of one platform: see {@link IsolatedNetwork}. Needs root, `ip` (iproute2) and `nft` (nftables). */
export function createIsolatedNetwork({
  instance,
  stateDir,
  heldSlots,
  apiPort,
  log,
}: IsolatedNetworkOptions): IsolatedNetwork {
  if (!isInstance(instance))
    throw new RangeError(
      `'${instance}' cannot be part of an interface's name: use 1 to 8 lower-case letters and digits`,
    )
  const planFile = join(stateDir, 'network.json')
  const previousLeases = new PreviousLeases(join(stateDir, 'leases'))
  const resolverOfHost = new ResolverOfHost()
  /** Slots by attempt id; `claimed` when this server's executor lists the attempt. */
  const leases = new Map<string, { readonly slot: number; claimed: boolean }>()
  const acquiring = new Map<string, Promise<number>>()
  const namespaceIds = new Map<number, string>()
  let plan: NetworkPlan | undefined
  let openedFor: readonly string[] = []
  let tidying: Promise<void> = Promise.resolve()
  let tidyTimer: NodeJS.Timeout | undefined
  let openedAt = 0

  const opened = (): NetworkPlan => {
    if (plan === undefined) throw new Error('the isolated network is not open')
    return plan
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
    const isNew = !(await hasBridge(plan.bridge))
    await makeBridge(plan)
    await applyRules(await resolverOfHost.read())
    await switchForwardingOn()
    await warnOfForeignRules()
    await takeOver(held, isNew)
    await pool.fill(firstSlots)
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

  async function applyRules({ nameservers }: JobResolver): Promise<void> {
    await runTool('nft', ['-f', '-'], { input: ruleset(opened(), { apiPort, nameservers }) })
    openedFor = nameservers
    if (nameservers.length > 0) return
    const hint = 'add a name server with an address other than a loopback address to /etc/resolv.conf'
    log.warn({ hint }, 'jobs on the network isolated cannot resolve names')
  }

  async function switchForwardingOn(): Promise<void> {
    if ((await readFile(forwardSwitch, 'utf8')).trim() !== '0') return
    await writeFile(forwardSwitch, '1')
    log.info({ sysctl: 'net.ipv4.ip_forward=1' }, 'IPv4 forwarding enabled for jobs; it stays enabled')
  }

  /** Rules of other software apply too, and Docker's drop unknown traffic. Rules of this table cannot accept what another table drops. */
  async function warnOfForeignRules(): Promise<void> {
    const tables = (await runTool('nft', ['list', 'tables'])).toString()
    if (!tables.includes('table ip filter')) return
    const rules = (await runTool('nft', ['list', 'table', 'ip', 'filter'])).toString()
    if (!/chain FORWARD \{[^}]*policy drop/.test(rules)) return
    const { bridge } = opened()
    const hint = `iptables -I FORWARD -i ${bridge} -j ACCEPT; iptables -I FORWARD -o ${bridge} -j ACCEPT`
    log.warn({ hint }, 'a firewall on this machine, perhaps Docker, drops the traffic of jobs')
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
    await pool.shrink()
    if (Date.now() - openedAt < claimedWithin) return
    for (const [attemptId, { slot, claimed }] of leases) {
      if (claimed || isOccupied(slot)) continue
      log.warn({ attemptId, slot }, 'the network of an unknown attempt is removed')
      await release(attemptId)
    }
  }

  const isOccupied = (slot: number): boolean => occupiedNamespaces(new Set([namespaceIds.get(slot) ?? ''])).size > 0

  async function acquire(attemptId: string): Promise<NetworkLease> {
    const held = leases.get(attemptId)
    if (held) held.claimed = true
    let slot = held?.slot
    if (slot === undefined) {
      const pending = acquiring.get(attemptId) ?? lease(attemptId)
      acquiring.set(attemptId, pending)
      slot = await pending
    }
    return describe(slot)
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

  async function describe(number: number): Promise<NetworkLease> {
    const slot = planSlot(opened(), number)
    const resolver = await resolverOfHost.read()
    if (resolver.nameservers.join() !== openedFor.join()) await applyRules(resolver)
    return {
      slot: number,
      namespacePath: namespacePath(slot),
      resolvConf: resolver.resolvConf,
      hosts: (hostname) =>
        `127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n${slot.address} ${hostname}\n`,
    }
  }

  async function release(attemptId: string, empty = false): Promise<void> {
    pool.leave(attemptId)
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
    await tidying
    const slots = await pool.close()
    if (plan === undefined) return
    const isHeld = [...leases.values()].some(({ slot, claimed }) => claimed || isOccupied(slot))
    if (isHeld) return
    await removeSlots(opened(), slotsOf(slots))
    await runTool('nft', ['-f', '-'], { input: noRuleset(plan) })
    await removeBridge(plan)
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
    get gateway() {
      return opened().gateway
    },
  }
}
