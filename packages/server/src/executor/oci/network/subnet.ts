/** A block of IPv4 addresses. */
export interface Subnet {
  /** First address, as a number. */
  readonly base: number
  /** Bits that are fixed, 0 to 32. */
  readonly prefix: number
}

/** Private blocks for a bridge (RFC 1918), in order of preference: first those that other software rarely uses. */
const candidates = ['10.208.0.0/12', '172.16.0.0/12', '192.168.0.0/16', '10.0.0.0/8']

/** Prefix of a bridge's own block: 254 addresses. */
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

/** Whether two blocks have an address in common. Pure. */
export const overlaps = (a: Subnet, b: Subnet): boolean =>
  a.base < b.base + sizeOf(b.prefix) && b.base < a.base + sizeOf(a.prefix)

/**
 * A block for a bridge that has no address in common with a used block. The default route does not count as use. Pure.
 *
 * @param seed any whole number. Platforms with different seeds try different blocks first: two that start at the same time on one
 *   machine must not choose the same
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
