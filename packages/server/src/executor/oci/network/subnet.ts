/** A block of IPv4 addresses. */
export interface Subnet {
  /** First address, as a number. */
  readonly base: number
  /** Bits that are fixed, 0 to 32. */
  readonly prefix: number
}

/** Blocks that a bridge may be given, in order of preference: private ones (RFC 1918), first where no other software looks. */
const candidates = ['10.208.0.0/12', '172.16.0.0/12', '192.168.0.0/16', '10.0.0.0/8']

/** Bits of a bridge's own block: room for 254 addresses. */
const bridgePrefix = 24

const sizeOf = (prefix: number): number => 2 ** (32 - prefix)

/** `10.0.0.1` as a number. Pure. @throws RangeError when it is no IPv4 address. */
export function parseAddress(text: string): number {
  const parts = text.split('.').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : Number.NaN))
  if (parts.length !== 4 || parts.some((part) => !(part <= 255))) throw new RangeError(`'${text}' is no IPv4 address`)
  return parts.reduce((sum, part) => sum * 256 + part, 0)
}

/** The number as `10.0.0.1`. Pure. */
export function printAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.')
}

/** Reads `10.0.0.0/8`, a single address without a prefix, or `default`; host bits are cut off. Pure. */
export function parseSubnet(text: string): Subnet {
  if (text === 'default') return { base: 0, prefix: 0 }
  const [address = '', bits = '32'] = text.split('/')
  const prefix = Number(bits)
  if (!/^\d{1,2}$/.test(bits) || prefix > 32) throw new RangeError(`'${text}' is no IPv4 block`)
  const size = sizeOf(prefix)
  return { base: Math.floor(parseAddress(address) / size) * size, prefix }
}

/** The block as `10.0.0.0/8`. Pure. */
export const printSubnet = ({ base, prefix }: Subnet): string => `${printAddress(base)}/${prefix}`

/** Whether two blocks share an address. Pure. */
export const overlaps = (a: Subnet, b: Subnet): boolean =>
  a.base < b.base + sizeOf(b.prefix) && b.base < a.base + sizeOf(a.prefix)

/**
 * A block for a bridge that shares no address with any used one. The default route is no use of an address. Pure.
 *
 * @param seed any whole number; platforms with different ones try different blocks first, so that two that start at once on
 *   one machine do not choose the same
 * @returns undefined when everything private is in use
 */
export function chooseSubnet(used: readonly Subnet[], seed: number): Subnet | undefined {
  const taken = used.filter(({ prefix }) => prefix > 0)
  const size = sizeOf(bridgePrefix)
  for (const { base, prefix } of candidates.map(parseSubnet)) {
    const count = sizeOf(prefix) / size
    for (let i = 0; i < count; i++) {
      const subnet = { base: base + ((seed + i) % count) * size, prefix: bridgePrefix }
      if (!taken.some((other) => overlaps(subnet, other))) return subnet
    }
  }
  return undefined
}
