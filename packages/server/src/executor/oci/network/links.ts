import { readdir, stat, writeFile } from 'node:fs/promises'
import { runTool } from '../../../lib/tool.ts'
import type { Link } from './faults.ts'
import type { NetworkPlan, Slot } from './plan.ts'
import { parseSubnet, type Subnet } from './subnet.ts'

/** Folder in which `ip netns` keeps namespaces by name. */
const namespaces = '/run/netns'

/** Path of a slot's network namespace. Pure. */
export const namespacePath = (slot: Pick<Slot, 'name'>): string => `${namespaces}/${slot.name}`

const batch = (lines: readonly string[]) => ({ input: lines.map((line) => `${line}\n`).join('') })

const ip = (lines: readonly string[]): Promise<Buffer> => runTool('ip', ['-batch', '-'], batch(lines))

/** Runs `ip` by nsenter: `ip -netns` also changes mounts, which fails in a chroot whose root is no mount point. */
const ipInside = ({ name }: Slot, lines: readonly string[]): Promise<Buffer> =>
  runTool('nsenter', [`--net=${namespaces}/${name}`, '--', 'ip', '-batch', '-'], batch(lines))

/** Makes the bridge when it is missing, and brings it up. Its hardware address is fixed: otherwise it changes with the ports. */
export async function makeBridge({ bridge, gateway, gatewayMac, subnet }: NetworkPlan): Promise<void> {
  if (!(await hasBridge(bridge)))
    await ip([`link add ${bridge} address ${gatewayMac} type bridge stp_state 0 mcast_snooping 0`])
  // Jobs use IPv4 only. Where the kernel has no IPv6 the file is missing.
  await writeFile(`/proc/sys/net/ipv6/conf/${bridge}/disable_ipv6`, '1').catch(unlessMissing)
  await ip([`addr replace ${gateway}/${subnet.prefix} dev ${bridge}`, `link set ${bridge} up`])
}

export async function hasBridge(bridge: string): Promise<boolean> {
  return (await linkNames()).includes(bridge)
}

export async function removeBridge({ bridge }: NetworkPlan): Promise<void> {
  if (await hasBridge(bridge)) await ip([`link del ${bridge}`])
}

const attach = ({ name }: Slot, { bridge }: NetworkPlan): readonly string[] => [
  `link set ${name} master ${bridge} addrgenmode none up`,
  `link set ${name} type bridge_slave isolated on`,
]

/** Makes namespaces with a link to the bridge, an address and a route. After a failure some of them may exist: remove all. */
export async function makeSlots(plan: NetworkPlan, slots: readonly Slot[]): Promise<void> {
  await ip(
    slots.flatMap((slot) => [
      `netns add ${slot.name}`,
      `link add ${slot.name} type veth peer name eth0 address ${slot.mac} netns ${slot.name}`,
      ...attach(slot, plan),
    ]),
  )
  for (const slot of slots) {
    await ipInside(slot, [
      'link set lo up',
      'link set eth0 addrgenmode none',
      `addr add ${slot.address}/${plan.subnet.prefix} dev eth0`,
      'link set eth0 up',
      `route add default via ${plan.gateway}`,
    ])
  }
}

/** Attaches existing links to a bridge that was made again. */
export async function attachSlots(plan: NetworkPlan, slots: readonly Slot[]): Promise<void> {
  await ip(slots.flatMap((slot) => attach(slot, plan)))
}

/**
 * Removes those links and names of namespaces that exist. Links are removed as one group: one by one, the kernel waits for all
 * processors after each. A namespace itself lives on while a process is in it.
 */
export async function removeSlots(plan: NetworkPlan, slots: readonly Slot[]): Promise<void> {
  const [links, names] = [new Set(await linkNames()), new Set(await namespaceNames())]
  const doomed = slots.filter(({ name }) => links.has(name))
  await ip([
    ...doomed.map(({ name }) => `link set ${name} group ${plan.removalGroup}`),
    ...(doomed.length > 0 ? [`link del group ${plan.removalGroup}`] : []),
    ...slots.filter(({ name }) => names.has(name)).map(({ name }) => `netns del ${name}`),
  ])
}

/** The interfaces of this machine, from the kernel: a chroot may have no /sys. */
export async function linkNames(): Promise<readonly string[]> {
  const links = JSON.parse((await runTool('ip', ['-json', 'link'])).toString()) as { ifname: string }[]
  return links.map(({ ifname }) => ifname)
}

/** What `ip` prints of a link, as far as it is used. */
interface PrintedLink {
  readonly ifname: string
  readonly flags: readonly string[]
  readonly master?: string
  readonly addr_info: readonly { readonly family: string; readonly local?: string }[]
  readonly linkinfo?: { readonly info_slave_data?: { readonly isolated?: boolean } }
}

/** The interfaces with their addresses and bridges, from the output of `ip -json -details addr`. Pure. */
export function parseLinks(output: string): readonly Link[] {
  const printed = JSON.parse(output) as PrintedLink[]
  return printed.map(({ ifname, flags, master, addr_info, linkinfo }) => ({
    name: ifname,
    up: flags.includes('UP'),
    addresses: addr_info.flatMap(({ family, local }) => (family === 'inet' && local !== undefined ? [local] : [])),
    ...(master === undefined ? {} : { master }),
    isolated: linkinfo?.info_slave_data?.isolated === true,
  }))
}

/** The named network namespaces of this machine. */
export async function namespaceNames(): Promise<readonly string[]> {
  return (await readdir(namespaces).catch(unlessMissing)) ?? []
}

/** The identity of a namespace, as `/proc/PID/ns/net` shows it. */
export async function namespaceId(slot: Slot): Promise<string> {
  return `net:[${(await stat(namespacePath(slot))).ino}]`
}

/** The blocks of addresses that this machine has or has a route to, without the default route. */
export async function usedSubnets(): Promise<readonly Subnet[]> {
  const addresses = JSON.parse((await runTool('ip', ['-json', '-4', 'addr'])).toString()) as {
    addr_info?: { local?: string; prefixlen?: number }[]
  }[]
  const routes = JSON.parse((await runTool('ip', ['-json', '-4', 'route', 'show', 'table', 'all'])).toString()) as {
    dst?: string
  }[]
  return [
    ...addresses.flatMap(({ addr_info = [] }) => addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`)),
    ...routes.flatMap(({ dst }) => (dst === undefined ? [] : [dst])),
  ].map(parseSubnet)
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
