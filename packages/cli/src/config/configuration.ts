/** A saved login (wire contract 4.3). Unknown keys stay as they are. */
export interface Credential {
  idp?: string
  mode: 'oidc' | 'x509'
  token?: { access?: string | null; refresh?: string | null; [key: string]: unknown }
  /** `access` in seconds since the epoch; for x509 the number itself. The published client takes a missing one as expired. */
  expiry?: { access?: number | null; refresh?: number | null } | number | null
  [key: string]: unknown
}

/** A saved server. */
export interface Server {
  name?: string
  /** The key of its login. */
  idp?: string | null
  /** The skaha service without the version. */
  url?: string | null
  version?: string | null
  uri?: string | null
  auths?: string[] | null
  [key: string]: unknown
}

/** `~/.canfar/config.yaml`, schema version 2: the file that the published Python client reads and writes. */
export interface Configuration {
  version: 2
  active: { authentication: string; server?: string | null; servers?: Record<string, string>; [key: string]: unknown }
  authentication: Record<string, Credential>
  servers: Record<string, Server>
  registry?: { url?: string | null; username?: string | null; secret?: string | null }
  console?: { width?: number; banner?: boolean; [key: string]: unknown }
}

/** The sections of a file. The published client refuses others. */
export const sections = ['version', 'active', 'authentication', 'servers', 'registry', 'console'] as const

/** The expiry of tokens that do not tell theirs: the start of the year 2100. The published client needs one. */
export const farFuture = 4_102_444_800

/**
 * The configuration in a parsed file; as text, why the file is invalid. A version 1 file is upgraded like in the published
 * client: the limits of servers and the console's log file are dropped.
 */
export function readConfiguration(document: unknown): Configuration | string {
  if (!isMapping(document)) return 'it has no settings'
  const version = Number(document['version'])
  if (version !== 1 && version !== 2)
    return `its version is ${JSON.stringify(document['version']) ?? 'missing'}, and only versions 1 and 2 can be read`
  const unknown = Object.keys(document).find((key) => !(sections as readonly string[]).includes(key))
  if (unknown !== undefined) return `'${unknown}' is not a section; the sections are ${sections.join(', ')}`
  const { active, authentication, servers } = document
  if (!isMapping(active) || typeof active['authentication'] !== 'string') return 'active.authentication is missing'
  for (const [section, value] of Object.entries({ authentication, servers })) {
    if (!isMapping(value) || !Object.values(value).every(isMapping)) return `${section} is not a map of records`
    const bad = Object.keys(value).find((key) => !configurationKey.test(key))
    if (bad !== undefined) return `'${bad}' in ${section} is not a name; it must match ${configurationKey.source}`
  }
  for (const section of ['registry', 'console'] as const)
    if (document[section] != null && !isMapping(document[section])) return `${section} is not a record`
  const configuration = { ...(document as unknown as Configuration), version: 2 as const }
  return danglingReference(configuration) ?? (version === 1 ? upgraded(configuration) : configuration)
}

/** The pattern of names of servers and logins. */
const configurationKey = /^[A-Za-z][A-Za-z0-9_-]*$/

function danglingReference({ active, authentication, servers }: Configuration): string | undefined {
  if (authentication[active.authentication] === undefined)
    return `active.authentication is '${active.authentication}', but that login does not exist`
  if (active.server != null && servers[active.server] === undefined)
    return `active.server is '${active.server}', but that server does not exist`
  return undefined
}

function upgraded(configuration: Configuration): Configuration {
  const { file: _file, ...console } = configuration.console ?? {}
  const servers = Object.entries(configuration.servers).map(([name, server]): [string, Server] => {
    const { cores: _cores, ram: _ram, gpus: _gpus, status: _status, ...kept } = server
    return [name, kept]
  })
  return {
    ...configuration,
    servers: Object.fromEntries(servers),
    ...(configuration.console === undefined ? {} : { console }),
  }
}

/** A name for a server, from its address; never `local`, which is reserved for the machine itself. */
export function serverKey(url: string): string {
  const { hostname, port } = new URL(url)
  const text = `${hostname}${port === '' ? '' : `-${port}`}`.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '')
  return /^[A-Za-z]/.test(text) && text !== 'local' ? text : `server-${text}`
}

/** A login to add. */
export interface NewLogin {
  /** The skaha service without the version. */
  readonly url: string
  readonly version: string
  readonly token: string
  /** Seconds since the epoch. */
  readonly expiresAt: number
  /** Name of the server. Left out: its present name, or a name made from its host. */
  readonly name?: string | undefined
}

/** The configuration with a login added and made active. A server with a known address keeps its name. */
export function withLogin(before: Configuration | undefined, login: NewLogin): Configuration {
  const servers = before?.servers ?? {}
  const known = Object.entries(servers).find(([, server]) => sameUrl(server.url, login.url))?.[0]
  const name = login.name ?? known ?? freeKey(serverKey(login.url), servers)
  const previous = servers[name]
  // A login by certificate stays: the published client may use it with another server.
  const previousKey = previous?.idp ?? name
  const key =
    before?.authentication[previousKey]?.mode === 'x509' ? freeKey(`${name}-token`, before.authentication) : previousKey
  const { endpoints: _endpoints, client: _client, ...kept } = before?.authentication[key] ?? { mode: 'oidc' }
  const credential: Credential = {
    ...kept,
    idp: key,
    mode: 'oidc',
    token: { access: login.token },
    expiry: { access: login.expiresAt },
  }
  const server: Server = { ...previous, idp: key, url: login.url, version: login.version, auths: ['oidc'] }
  return {
    ...before,
    version: 2,
    active: {
      ...before?.active,
      authentication: key,
      server: name,
      servers: { ...before?.active.servers, [key]: name },
    },
    authentication: { ...before?.authentication, [key]: credential },
    servers: { ...servers, [name]: server },
  }
}

/** The configuration with another server active, and its login; as text, why that is not possible. */
export function withActiveServer(configuration: Configuration, name: string): Configuration | string {
  const found =
    configuration.servers[name] === undefined
      ? Object.entries(configuration.servers).find(([, { uri, url }]) => name === uri || sameUrl(url, name))?.[0]
      : name
  const server = found === undefined ? undefined : configuration.servers[found]
  if (found === undefined || server === undefined) return `there is no server '${name}'`
  const key = server.idp ?? configuration.active.authentication
  if (configuration.authentication[key] === undefined) return `there is no login for the server '${found}'`
  const remembered = { ...configuration.active.servers, ...(server.idp == null ? {} : { [key]: found }) }
  return {
    ...configuration,
    active: { ...configuration.active, authentication: key, server: found, servers: remembered },
  }
}

/** The configuration with another login active, and its last server; as text, why that is not possible. */
export function withActiveLogin(configuration: Configuration, key: string): Configuration | string {
  if (configuration.authentication[key] === undefined) return `there is no login '${key}'`
  const remembered = configuration.active.servers?.[key]
  const own = Object.entries(configuration.servers).flatMap(([name, { idp }]) => (idp === key ? [name] : []))
  const name = remembered !== undefined && configuration.servers[remembered] !== undefined ? remembered : own[0]
  if (name === undefined) return `the login '${key}' belongs to no server`
  return withActiveServer(configuration, name)
}

/** The configuration without a login and its servers; undefined without further logins. The next login becomes active. */
export function withoutLogin(configuration: Configuration, key: string): Configuration | undefined {
  const authentication = without(configuration.authentication, (name) => name === key)
  const servers = without(configuration.servers, (_, { idp }) => idp === key)
  const next = Object.keys(authentication)[0]
  if (next === undefined) return undefined
  const remembered = without(configuration.active.servers ?? {}, (idp) => idp === key)
  const rest = { ...configuration, authentication, servers, active: { ...configuration.active, servers: remembered } }
  if (configuration.active.authentication !== key) return rest
  const switched = withActiveLogin({ ...rest, active: { ...rest.active, authentication: next, server: null } }, next)
  return typeof switched === 'string' ? { ...rest, active: { authentication: next, servers: remembered } } : switched
}

/** The configuration whose active login has another token, with the same expiry. */
export function withActiveToken(configuration: Configuration, token: string): Configuration {
  const { authentication, active } = configuration
  const credential = authentication[active.authentication]
  if (credential === undefined) return configuration
  const renewed = { ...credential, token: { ...credential.token, access: token } }
  return { ...configuration, authentication: { ...authentication, [active.authentication]: renewed } }
}

/** Expiry of a credential in seconds since the epoch; undefined, which counts as expired, when it has none. */
export function expiryOf({ expiry }: Credential): number | undefined {
  const seconds = typeof expiry === 'number' ? expiry : expiry?.access
  return seconds == null ? undefined : seconds
}

function freeKey(wanted: string, taken: Readonly<Record<string, unknown>>): string {
  for (let number = 1; ; number += 1) {
    const key = number === 1 ? wanted : `${wanted}-${number}`
    if (taken[key] === undefined) return key
  }
}

const without = <T>(records: Record<string, T>, drop: (key: string, value: T) => boolean): Record<string, T> =>
  Object.fromEntries(Object.entries(records).filter(([key, value]) => !drop(key, value)))

const sameUrl = (a: string | null | undefined, b: string): boolean => a != null && strip(a) === strip(b)

const strip = (url: string): string => url.replace(/\/+$/, '').toLowerCase()

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
