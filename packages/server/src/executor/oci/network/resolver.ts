import { isIP, isIPv4 } from 'node:net'

/** The configuration by which the machine resolves names. */
export interface HostResolver {
  /** /etc/resolv.conf; '' where it is missing. */
  readonly resolvConf: string
  /** /run/systemd/resolve/resolv.conf: the servers behind the local stub of systemd-resolved. */
  readonly upstream?: string
}

/** The configuration by which jobs resolve names. */
export interface JobResolver {
  /** Contents for /etc/resolv.conf. */
  readonly resolvConf: string
  /** The name servers in it. */
  readonly nameservers: readonly string[]
  /** The machine's name servers that jobs reach by way of the gateway only; empty where they need none. */
  readonly relayed: readonly string[]
}

const wordsOf = (text: string): readonly (readonly string[])[] =>
  text
    .split('\n')
    .map((line) =>
      line
        .replace(/[#;].*/, '')
        .trim()
        .split(/\s+/),
    )
    .filter(([keyword = '']) => keyword !== '')

const serversOf = (text: string): readonly string[] =>
  wordsOf(text)
    .filter(([keyword]) => keyword === 'nameserver')
    .map(([, address = '']) => address)

const reachable = (text: string): readonly string[] =>
  serversOf(text).filter((address) => isIPv4(address) && !address.startsWith('127.') && address !== '0.0.0.0')

/**
 * The machine's resolver for jobs: its search domains, options, and the name servers that another network namespace reaches over IPv4. A
 * server on a loopback address is not reachable: then the servers of systemd-resolved are used. Without it, jobs ask the gateway, which
 * relays to the machine's own servers (name-relay.ts). Pure.
 *
 * @param gateway the machine's address on the bridge. Without it nothing is relayed.
 */
export function jobResolver({ resolvConf, upstream = '' }: HostResolver, gateway?: string): JobResolver {
  const own = reachable(resolvConf)
  const direct = own.length > 0 ? own : reachable(upstream)
  const relayed =
    direct.length > 0 || gateway === undefined ? [] : serversOf(resolvConf).filter((text) => isIP(text) > 0)
  const nameservers = relayed.length > 0 && gateway !== undefined ? [gateway] : direct
  const fromUpstream = own.length === 0 && direct.length > 0
  const rest = wordsOf(fromUpstream ? upstream : resolvConf).filter(([keyword = '']) =>
    ['search', 'domain', 'options'].includes(keyword),
  )
  const lines = [
    ...(nameservers.length === 0 ? ['# The machine has no name server that jobs can reach.'] : []),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...rest.map((words) => words.join(' ')),
  ]
  return { resolvConf: `${lines.join('\n')}\n`, nameservers: [...new Set(nameservers)], relayed: [...new Set(relayed)] }
}
