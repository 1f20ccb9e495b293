import type { NetworkPlan, Slot } from './plan.ts'

/** A family of nftables in which a platform has a table. */
type Family = 'inet' | 'bridge'

/** An interface of this machine, as far as it matters for the network of jobs. */
export interface Link {
  readonly name: string
  readonly up: boolean
  /** IPv4 addresses. */
  readonly addresses: readonly string[]
  /** The bridge that it is a port of. */
  readonly master?: string
  /** Whether the bridge forwards nothing between it and other isolated ports. */
  readonly isolated: boolean
}

/** What the kernel has of a platform's network. */
export interface ObservedNetwork {
  /** The rules by family, as nft prints them without counters; undefined where there is no such table. */
  readonly tables: Readonly<Record<Family, string | undefined>>
  readonly links: readonly Link[]
  /** Whether the kernel forwards IPv4 from the bridge. */
  readonly forwards: boolean
}

/** What it should have. */
export interface ExpectedNetwork {
  readonly tables: Readonly<Record<Family, string | undefined>>
  /** Slots whose links are complete. */
  readonly slots: readonly Slot[]
}

/** What is wrong with a network: a part of a sentence for each fault, empty where nothing is. Pure. */
export function networkFaults(plan: NetworkPlan, observed: ObservedNetwork, expected: ExpectedNetwork): string[] {
  const faults: string[] = []
  for (const family of ['inet', 'bridge'] as const) {
    const rules = observed.tables[family]
    const table = `the table ${family} sp_${plan.instance}`
    if (rules === undefined) faults.push(`${table} is missing`)
    else if (rules !== expected.tables[family]) faults.push(`${table} was changed`)
  }
  const bridge = observed.links.find(({ name }) => name === plan.bridge)
  if (bridge === undefined) faults.push(`the bridge ${plan.bridge} is missing`)
  else if (!bridge.up) faults.push(`the bridge ${plan.bridge} is down`)
  else if (!bridge.addresses.includes(plan.gateway))
    faults.push(`the bridge ${plan.bridge} lacks its address ${plan.gateway}`)
  else if (!observed.forwards) faults.push(`IPv4 is not forwarded from the bridge ${plan.bridge}`)
  const loose = looseSlots(plan, observed, expected.slots).map(({ name }) => name)
  if (loose.length > 0) faults.push(`not isolated ports of the bridge: ${loose.join(', ')}`)
  return faults
}

/** The slots whose link exists and is no isolated port of the bridge. Pure. */
export function looseSlots(
  plan: NetworkPlan,
  { links }: Pick<ObservedNetwork, 'links'>,
  slots: readonly Slot[],
): Slot[] {
  const byName = new Map(links.map((link) => [link.name, link]))
  return slots.filter(({ name }) => {
    const link = byName.get(name)
    return link !== undefined && !(link.up && link.master === plan.bridge && link.isolated)
  })
}
