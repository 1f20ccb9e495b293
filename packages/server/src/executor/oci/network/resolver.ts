/** What is read to know how the machine resolves names. */
export interface HostResolver {
  /** /etc/resolv.conf; '' when there is none. */
  readonly resolvConf: string
  /** What systemd-resolved writes for those who cannot ask its local stub: /run/systemd/resolve/resolv.conf. */
  readonly upstream?: string
}

/** How jobs resolve names. */
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
 * The machine's resolver as jobs can use it: its search domains, options and those name servers that can be reached over IPv4
 * from another network namespace. One that listens on a loopback address cannot; then systemd-resolved's own servers are
 * taken and, where that does not run, none: names do not resolve until a name server with another address is in
 * /etc/resolv.conf. Pure.
 */
export function jobResolver({ resolvConf, upstream = '' }: HostResolver): JobResolver {
  const own = reachable(resolvConf)
  const nameservers = own.length > 0 ? own : reachable(upstream)
  const rest = wordsOf(own.length > 0 || upstream === '' ? resolvConf : upstream).filter(([keyword = '']) =>
    ['search', 'domain', 'options'].includes(keyword),
  )
  const lines = [
    ...(nameservers.length === 0 ? ['# The machine has no name server that can be reached from here.'] : []),
    ...nameservers.map((address) => `nameserver ${address}`),
    ...rest.map((words) => words.join(' ')),
  ]
  return { resolvConf: `${lines.join('\n')}\n`, nameservers: [...new Set(nameservers)] }
}
