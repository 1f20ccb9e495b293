/** The environment, like `process.env`. */
type Environment = Readonly<Record<string, string | undefined>>

/** The proxy of a request, and the variable that names it. */
export interface ChosenProxy {
  readonly variable: string
  readonly url: string
}

/** The first variable of these names that has a value. Small letters win, as for curl. */
function first(environment: Environment, ...names: readonly string[]): ChosenProxy | undefined {
  for (const name of names) {
    const url = environment[name]
    if (url !== undefined && url !== '') return { variable: name, url }
  }
  return undefined
}

/**
 * The proxy that HTTPS_PROXY or HTTP_PROXY names for an address, in small or capital letters; undefined where there is none, or
 * where NO_PROXY excludes the address: `*`, or names of hosts with those below them, each perhaps with a port. Pure.
 */
export function proxyOf(address: string, environment: Environment): ChosenProxy | undefined {
  const url = new URL(address)
  const chosen =
    url.protocol === 'https:'
      ? first(environment, 'https_proxy', 'HTTPS_PROXY')
      : first(environment, 'http_proxy', 'HTTP_PROXY')
  if (chosen === undefined || isExcluded(url, first(environment, 'no_proxy', 'NO_PROXY')?.url ?? '')) return undefined
  return chosen
}

function isExcluded({ hostname, port, protocol }: URL, list: string): boolean {
  const host = hostname.replaceAll(/^\[|\]$/g, '').toLowerCase()
  const ports = [port === '' ? (protocol === 'https:' ? '443' : '80') : port, '']
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true
      const [, name = '', onPort = ''] = /^(.*?)(?::(\d+))?$/.exec(entry.replace(/^\[(.*)\]/, '$1')) ?? []
      // An IPv6 address has colons of its own.
      const isAddress = entry.split(':').length > 2
      const wanted = (isAddress ? entry.replaceAll(/^\[|\]$/g, '') : name).toLowerCase().replace(/^\*?\./, '')
      return (host === wanted || host.endsWith(`.${wanted}`)) && (isAddress || ports.includes(onPort))
    })
}

/** A proxy for an error text, without the password that its address may have. Pure. */
export function proxyText({ variable, url }: ChosenProxy): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  return `the proxy ${parsed === undefined ? url : parsed.host} of ${variable}`
}

/** The environment of this process; none in a browser. */
export const environmentHere = (): Environment => (typeof process === 'undefined' ? {} : process.env)

const fetches = new Map<string, Promise<typeof globalThis.fetch>>()

/**
 * A fetch that sends a request through the proxy of the environment where there is one for its address. Plain http goes to the
 * proxy as it is, since many proxies refuse CONNECT to other ports than 443.
 */
export const fetchByEnvironment: typeof globalThis.fetch = async (input, init) => {
  const chosen = proxyOf(input instanceof Request ? input.url : String(input), environmentHere())
  if (chosen === undefined) return globalThis.fetch(input, init)
  let fetch = fetches.get(chosen.url)
  if (fetch === undefined) {
    fetch = throughProxy(chosen)
    fetches.set(chosen.url, fetch)
  }
  return (await fetch)(input, init)
}

/** Loaded on demand: most users have no proxy. */
async function throughProxy(chosen: ChosenProxy): Promise<typeof globalThis.fetch> {
  const { fetch, ProxyAgent } = await import('undici')
  const url = /^[a-z]+:\/\//i.test(chosen.url) ? chosen.url : `http://${chosen.url}`
  if (!URL.canParse(url))
    throw new TypeError(`${chosen.variable} is '${chosen.url}'; it must look like http://HOST:PORT`)
  const dispatcher = new ProxyAgent(url)
  // Its types and those of Node describe the same thing.
  return ((input: string, init: object) => fetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch
}
