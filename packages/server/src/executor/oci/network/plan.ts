import { createHash } from 'node:crypto'
import { printAddress, type Subnet } from './subnet.ts'

/** Most jobs with an isolated network at the same time: a block has 254 addresses. */
export const slotLimit = 250

/** The names and addresses of one platform's network, which follow from its instance and its block. */
export interface NetworkPlan {
  readonly instance: string
  readonly subnet: Subnet
  /** The bridge's name. */
  readonly bridge: string
  /** Prefix of the names of the machine's ends of links. */
  readonly portPrefix: string
  readonly gateway: string
  readonly gatewayMac: string
  /** Number of the group of links that are removed together; no other platform and no other software uses it. */
  readonly removalGroup: number
}

/** One of the places on the bridge for a job, numbered 1 to {@link slotLimit}. */
export interface Slot {
  readonly number: number
  /** Name of the namespace and of the machine's end of the link. */
  readonly name: string
  readonly address: string
  readonly mac: string
}

/** Whether a text may be part of the names of interfaces, which have at most 15 characters. Pure. */
export const isInstance = (instance: string): boolean => /^[a-z0-9]{1,8}$/.test(instance)

/** A locally administered hardware address that contains the IPv4 address. */
function macOf(address: number): string {
  const bytes = [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256)
  return ['02', '73', ...bytes.map((byte) => byte.toString(16).padStart(2, '0'))].join(':')
}

/** Names and addresses for a platform. Pure. */
export function planNetwork(instance: string, subnet: Subnet): NetworkPlan {
  const gateway = subnet.base + 1
  return {
    instance,
    subnet,
    bridge: `sp${instance}`,
    portPrefix: `sp${instance}-`,
    gateway: printAddress(gateway),
    gatewayMac: macOf(gateway),
    // 0x7370 is `sp`.
    removalGroup: 0x7370_0000 + seedOf(instance),
  }
}

/** Names and addresses for a slot. Pure. */
export function planSlot(plan: NetworkPlan, number: number): Slot {
  const address = plan.subnet.base + 1 + number
  return { number, name: `${plan.portPrefix}${number}`, address: printAddress(address), mac: macOf(address) }
}

/** The number of the slot with this name; undefined where the name is of no slot of this network. Pure. */
export function slotNumber(plan: NetworkPlan, name: string): number | undefined {
  if (!name.startsWith(plan.portPrefix)) return undefined
  const text = name.slice(plan.portPrefix.length)
  const number = Number(text)
  return /^[1-9]\d{0,2}$/.test(text) && number <= slotLimit ? number : undefined
}

/** A number that differs between platforms and is always the same for one. Pure. */
export const seedOf = (instance: string): number => createHash('sha256').update(instance).digest().readUInt16BE(0)
