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

const isIpv4 = (text: string): boolean =>
  /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split('.').every((part) => Number(part) <= 255)

const reachable = (text: string): readonly string[] =>
  wordsOf(text)
    .filter(([keyword]) => keyword === 'nameserver')
    .map(([, address = '']) => address)
    .filter((address) => isIpv4(address) && !address.startsWith('127.') && address !== '0.0.0.0')

/**
 * The machine's resolver for jobs: its search domains, options, and the name servers that another network namespace reaches over IPv4. A
 * server on a loopback address is not reachable: then the servers of systemd-resolved are used. Without it, names do not resolve until
 * /etc/resolv.conf has a server with another address. Pure.
 */
export function jobResolver({ resolvConf, upstream = '' }: HostResolver): JobResolver {
  const own = reachable(resolvConf)
  const nameservers = own.length > 0 ? own : reachable(upstream)
  const rest = wordsOf(own.length > 0 || upstream === '' ? resolvConf : upstream).filter(([keyword = '']) =>
    ['search', 'domain', 'options'].includes(keyword),
  )
  const lines = [
    ...(nameservers.length === 0 ? ['# The machine has no name server that jobs can reach.'] : []),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...rest.map((words) => words.join(' ')),
  ]
  return { resolvConf: `${lines.join('\n')}\n`, nameservers: [...new Set(nameservers)] }
}
