import { readFile, writeFile } from 'node:fs/promises'
import type { Logger } from 'pino'
import { runTool } from '../../../lib/tool.ts'
import { looseSlots, networkFaults, type ExpectedNetwork, type ObservedNetwork } from './faults.ts'
import type { Guarded } from './guard.ts'
import type { ResolverOfHost } from './host-resolver.ts'
import { attachSlots, hasBridge, makeBridge, removeBridge } from './links.ts'
import type { NameRelay } from './name-relay.ts'
import { forwardingOf, observeNetwork, readForwarding } from './observe.ts'
import type { NetworkPlan, Slot } from './plan.ts'
import type { JobResolver } from './resolver.ts'
import { noRuleset, ruleset } from './ruleset.ts'

/** What {@link Upkeep} works with. */
export interface UpkeepParts {
  readonly plan: NetworkPlan
  readonly apiPort: number
  readonly resolverOfHost: ResolverOfHost
  readonly relay: NameRelay
  /** The slots whose links are complete. */
  readonly slots: () => readonly Slot[]
  readonly log: Pick<Logger, 'info' | 'warn'>
}

const forwardSwitch = '/proc/sys/net/ipv4/ip_forward'

/** The bridge, the rules and the forwarding of a network: makes them, says what is wrong with them, and puts them back. */
export class Upkeep implements Guarded {
  readonly #parts: UpkeepParts
  /** The rules as the kernel printed them after they were applied. */
  #tables: ExpectedNetwork['tables'] = { inet: undefined, bridge: undefined }
  #resolver: JobResolver | undefined

  constructor(parts: UpkeepParts) {
    this.#parts = parts
  }

  /** How jobs resolve names, as the rules permit it. */
  get resolver(): JobResolver {
    if (this.#resolver === undefined) throw new Error('the isolated network is not open')
    return this.#resolver
  }

  /** Makes everything. Returns whether the bridge is new. */
  async make(): Promise<boolean> {
    const { plan } = this.#parts
    const isNew = !(await hasBridge(plan.bridge))
    await makeBridge(plan)
    await this.#applyRules(await this.#readResolver())
    await this.#switchForwardingOn()
    await this.#warnOfForeignRules()
    return isNew
  }

  /** Whether the machine's name servers are those that the rules permit. */
  async isCurrent(): Promise<boolean> {
    return (await this.#readResolver()).resolvConf === this.#resolver?.resolvConf
  }

  /** What is wrong. Rules for other name servers are applied at once: the machine has changed, and nothing is wrong. */
  async look(): Promise<readonly string[]> {
    const { plan } = this.#parts
    const resolver = await this.#readResolver()
    if (resolver.resolvConf !== this.#resolver?.resolvConf && (await hasBridge(plan.bridge)))
      await this.#applyRules(resolver)
    const { observed, slots } = await this.#observe()
    return networkFaults(plan, observed, { tables: this.#tables, slots })
  }

  async repair(): Promise<void> {
    const { plan } = this.#parts
    // The rules come first: they name the bridge, and hold for it from its first moment.
    await this.#applyRules(await this.#readResolver())
    await makeBridge(plan)
    await this.#switchForwardingOn()
    const { observed, slots } = await this.#observe()
    const loose = looseSlots(plan, observed, slots)
    if (loose.length > 0) await attachSlots(plan, loose)
  }

  /** Removes the rules and the bridge. */
  async unmake(): Promise<void> {
    const { plan } = this.#parts
    await runTool('nft', ['-f', '-'], { input: noRuleset(plan) })
    await removeBridge(plan)
  }

  #readResolver(): Promise<JobResolver> {
    return this.#parts.resolverOfHost.read(this.#parts.plan.gateway)
  }

  async #observe(): Promise<{ readonly observed: ObservedNetwork; readonly slots: readonly Slot[] }> {
    const { plan, slots } = this.#parts
    const before = slots()
    const observed = await observeNetwork(plan)
    // Links of other slots are being made or removed.
    const after = new Set(slots().map(({ number }) => number))
    return {
      observed,
      slots: before.filter(({ number }) => after.has(number)),
    }
  }

  async #applyRules(resolver: JobResolver): Promise<void> {
    const { plan, apiPort, relay, log } = this.#parts
    const { nameservers, relayed } = resolver
    await runTool('nft', ['-f', '-'], { input: ruleset(plan, { apiPort, nameservers }) })
    this.#tables = (await observeNetwork(plan)).tables
    const isNew = this.#resolver?.resolvConf !== resolver.resolvConf
    this.#resolver = resolver
    if (!isNew) return
    await relay.serve(plan.gateway, relayed)
    if (nameservers.length > 0) return
    const hint = 'add a name server to /etc/resolv.conf'
    log.warn({ hint }, 'jobs on the network isolated cannot resolve names')
  }

  async #switchForwardingOn(): Promise<void> {
    const { plan, log } = this.#parts
    if (await readForwarding(plan.bridge)) return
    if ((await readFile(forwardSwitch, 'utf8')).trim() === '0') {
      await writeFile(forwardSwitch, '1')
      log.info({ sysctl: 'net.ipv4.ip_forward=1' }, 'IPv4 forwarding enabled for jobs; it stays enabled')
    }
    await writeFile(forwardingOf(plan.bridge), '1')
  }

  /** Rules of other software apply too, and Docker's drop unknown traffic. Rules of this table cannot accept what another table drops. */
  async #warnOfForeignRules(): Promise<void> {
    const { plan, log } = this.#parts
    const tables = (await runTool('nft', ['list', 'tables'])).toString()
    if (!tables.includes('table ip filter')) return
    const rules = (await runTool('nft', ['list', 'table', 'ip', 'filter'])).toString()
    if (!/chain FORWARD \{[^}]*policy drop/.test(rules)) return
    const { bridge } = plan
    const hint = `iptables -I FORWARD -i ${bridge} -j ACCEPT; iptables -I FORWARD -o ${bridge} -j ACCEPT`
    log.warn({ hint }, 'a firewall on this machine, perhaps Docker, drops the traffic of jobs')
  }
}
