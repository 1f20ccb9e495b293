import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Credential, runExecPlugin } from './exec-plugin.ts'
import { type Cluster, type Entry, findEntry, readKubeconfig, readNamed, type User } from './kubeconfig-file.ts'

/** How one speaks to an API server, and as whom. */
export interface Identity {
  /** Of the API server, without a slash at its end. */
  readonly server: string
  /** An http or https proxy before it. */
  readonly proxyUrl?: string
  readonly tls: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly servername?: string
    readonly rejectUnauthorized?: false
  }
  /** Who one is, where certificates do not say it. */
  readonly headers: Readonly<Record<string, string | string[]>>
}

/**
 * Finds an identity anew: kubeconfigs, and the files with tokens and certificates that they name, are replaced now and then.
 * @param wasRefused - The last one was: plugins are asked again even if it was to last longer.
 */
export type IdentitySource = (wasRefused: boolean) => Promise<Identity>

/** Where a pod finds who it is. */
const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * Where to find the API server and who one is there: a kubeconfig as kubectl understands it (Kubernetes' reference, "Organizing
 * Cluster Access Using kubeconfig Files"), or the service account of the pod that this process runs in.
 *
 * @param path - Of a kubeconfig; absent: the service account where there is one, or else what kubectl would use (`KUBECONFIG`,
 * `~/.kube/config`).
 * @throws where a file cannot be read, is no kubeconfig, or has no current context.
 */
export async function identitySource(
  path: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<IdentitySource> {
  if (path === undefined && existsSync(join(serviceAccount, 'token'))) return inCluster(env)
  const paths = path === undefined ? kubectlPaths(env) : [path]
  let known = await readIdentity(paths)
  return async (wasRefused) => {
    try {
      known = await readIdentity(paths, known)
    } catch (error) {
      // Perhaps it is just being written: what was read last does, as long as it lets one in.
      if (wasRefused) throw error
    }
    return known.identity(wasRefused)
  }
}

/** What kubeconfigs say of who one is, and where. */
interface ReadIdentity {
  readonly texts: readonly string[]
  readonly identity: IdentitySource
}

/** @param known What was read last: it stays, with what plugins told, where the files are still the same. */
async function readIdentity(paths: readonly string[], known?: ReadIdentity): Promise<ReadIdentity> {
  const files = await Promise.all(paths.map(readKubeconfig))
  const texts = files.map(({ text }) => text)
  if (known !== undefined && isDeepStrictEqual(texts, known.texts)) return known
  // As kubectl has it: what comes first counts.
  const current = files.find(({ content }) => content['current-context'])?.content['current-context']
  const source = paths.join(delimiter)
  if (current === undefined)
    throw new Error(
      `The kubeconfig ${source} names no cluster: set its current-context, or give another as kubernetes.kubeconfig.`,
    )
  const context = findEntry(files, 'context', current, source)
  const cluster = findEntry(files, 'cluster', context.value.cluster, source)
  const user = context.value.user ? findEntry(files, 'user', context.value.user, source) : nobody
  checkProxy(cluster)
  checkUser(user)
  const plugin = pluginOf(cluster, user)
  return { texts, identity: async (wasRefused) => identityOf(cluster, user, await plugin(wasRefused)) }
}

/** Of a context that names no user. */
const nobody: Entry<User> = { value: {}, folder: '', called: 'Nobody' }

/** @throws where the cluster is to be reached through what the platform does not speak. */
function checkProxy({ value, called }: Entry<Cluster>): void {
  const proxy = value['proxy-url']
  if (!proxy) return
  const { protocol } = URL.parse(proxy) ?? {}
  if (protocol === 'http:' || protocol === 'https:') return
  // Not as it is: there may be a password in it.
  const what = protocol === undefined ? 'no address' : `one for ${protocol}//`
  throw new Error(
    `${called} has a proxy-url that is ${what}: give an HTTP proxy, as http://HOST:PORT or https://HOST:PORT.`,
  )
}

/** @throws where it takes what the platform does not do, or what the API server would refuse. */
function checkUser({ value, called }: Entry<User>): void {
  if (value['auth-provider'] !== undefined)
    throw new Error(`${called} uses an auth-provider, which kubectl gave up in 1.26: use its exec plugin.`)
  const more = [value['as-uid'], ...(value['as-groups'] ?? []), ...Object.keys(value['as-user-extra'] ?? {})]
  if (!value.as && more.some(Boolean))
    throw new Error(`${called} has as-uid, as-groups or as-user-extra, but no as: say on behalf of whom.`)
}

/** Milliseconds before a credential runs out at which a new one is asked for. */
const renewMs = 30_000

/** Asks a user's plugin, where there is one, when what it told has run out. */
function pluginOf(cluster: Entry<Cluster>, user: Entry<User>): (wasRefused: boolean) => Promise<Credential> {
  const plugin = user.value.exec
  if (plugin === undefined) return () => Promise.resolve({})
  let last: Credential | undefined
  return async (wasRefused) => {
    if (last === undefined || wasRefused || (last.expiresAt ?? Infinity) < Date.now() + renewMs)
      last = await runExecPlugin(plugin, { ...cluster.value, ca: await authorityOf(cluster) }, user.folder)
    return last
  }
}

function kubectlPaths({
  KUBECONFIG = '',
  HOME = homedir(),
}: Readonly<Record<string, string | undefined>>): readonly string[] {
  const paths = KUBECONFIG.split(delimiter).filter((path) => path !== '' && existsSync(path))
  return paths.length > 0 ? paths : [join(HOME, '.kube/config')]
}

async function identityOf(cluster: Entry<Cluster>, user: Entry<User>, credential: Credential): Promise<Identity> {
  const { value: of } = cluster
  const ca = await authorityOf(cluster)
  const cert = credential.cert ?? (await pemOf(user, 'client-certificate'))
  const key = credential.key ?? (await pemOf(user, 'client-key'))
  const token = credential.token ?? (await tokenOf(user))
  return {
    server: of.server.replace(/\/+$/, ''),
    ...(of['proxy-url'] ? { proxyUrl: of['proxy-url'] } : {}),
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(of['tls-server-name'] ? { servername: of['tls-server-name'] } : {}),
      ...(of['insecure-skip-tls-verify'] === true ? { rejectUnauthorized: false as const } : {}),
    },
    headers: { ...authorization(token, user.value), ...impersonation(user.value) },
  }
}

/** As client-go has it: the file is what counts, and the token in the kubeconfig what there is until it can be read. */
async function tokenOf(user: Entry<User>): Promise<string | undefined> {
  const { token, tokenFile } = user.value
  if (!tokenFile) return token
  try {
    const text = (await readNamed(user, 'tokenFile', tokenFile)).trim()
    if (text === '') throw new Error(`${user.called} names the file ${tokenFile} as its tokenFile, which is empty.`)
    return text
  } catch (error) {
    if (token) return token
    throw error
  }
}

function authorization(token: string | undefined, { username, password = '' }: User): Record<string, string> {
  if (token) return { authorization: `Bearer ${token}` }
  if (!username) return {}
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}

const impersonation = ({
  as,
  'as-uid': uid,
  'as-groups': groups = [],
  'as-user-extra': extra = {},
}: User): Record<string, string | string[]> => ({
  ...(as ? { 'impersonate-user': as } : {}),
  ...(uid ? { 'impersonate-uid': uid } : {}),
  ...(groups.length === 0 ? {} : { 'impersonate-group': groups }),
  ...Object.fromEntries(Object.entries(extra).map(([key, values]) => [`impersonate-extra-${headerWord(key)}`, values])),
})

/** As the API server takes it apart again: percent signs for what the name of a header cannot have. */
const headerWord = (text: string): string =>
  encodeURIComponent(text)
    .replace(/[()]/g, (sign) => (sign === '(' ? '%28' : '%29'))
    .toLowerCase()

const authorityOf = (cluster: Entry<Cluster>): Promise<string | undefined> => pemOf(cluster, 'certificate-authority')

/** What is given as base64, or lies in a file. */
async function pemOf<K extends string>(
  entry: Entry<{ readonly [key in K | `${K}-data`]?: string }>,
  key: K,
): Promise<string | undefined> {
  const value: { readonly [key in K | `${K}-data`]?: string } = entry.value
  const data = value[`${key}-data`]
  if (data) return Buffer.from(data, 'base64').toString()
  const path = value[key]
  return path ? readNamed(entry, key, path) : undefined
}

function inCluster({
  KUBERNETES_SERVICE_HOST: host = '',
  KUBERNETES_SERVICE_PORT: port = '443',
}: Readonly<Record<string, string | undefined>>): IdentitySource {
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`
  return async () => ({
    server,
    tls: { ca: await readFile(join(serviceAccount, 'ca.crt'), 'utf8') },
    headers: { authorization: `Bearer ${(await readFile(join(serviceAccount, 'token'), 'utf8')).trim()}` },
  })
}
