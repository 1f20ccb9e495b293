import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Credential, runExecPlugin } from './exec-plugin.ts'
import { type Cluster, type Entry, findEntry, readKubeconfig, readNamed, type User } from './kubeconfig-file.ts'

/** The address of an API server, and the credentials for it. */
export interface Identity {
  /** URL of the API server, without a slash at its end. */
  readonly server: string
  /** An HTTP or HTTPS proxy before it. */
  readonly proxyUrl?: string
  readonly tls: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly servername?: string
    readonly rejectUnauthorized?: false
  }
  /** Headers that authenticate each request, where no client certificate does. */
  readonly headers: Readonly<Record<string, string | string[]>>
}

/**
 * Reads an identity again: kubeconfigs, and the files with tokens and certificates that they name, are rotated.
 *
 * @param wasRefused whether the API server refused the last one: an exec plugin runs again even before its credential expires.
 */
export type IdentitySource = (wasRefused: boolean) => Promise<Identity>

/** Where a pod has the credentials of its service account. */
const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * The source of the identity: a kubeconfig as kubectl reads it (Kubernetes' reference, "Organizing Cluster Access Using kubeconfig
 * Files"), or the service account of the pod that this process runs in.
 *
 * @param path of a kubeconfig; absent: the service account where there is one, or else the kubeconfig that kubectl would read
 * (`KUBECONFIG`, `~/.kube/config`).
 * @throws where a file cannot be read, is not a kubeconfig, or has no current context.
 */
export async function identitySource(
  path: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<IdentitySource> {
  if (path === undefined && existsSync(join(serviceAccount, 'token'))) return inCluster(env)
  const paths = path === undefined ? kubectlPaths(env) : [path]
  let last = await readIdentity(paths)
  return async (wasRefused) => {
    try {
      last = await readIdentity(paths, last)
    } catch (error) {
      // The file may be half written. The last identity is used as long as the API server accepts it.
      if (wasRefused) throw error
    }
    return last.identity(wasRefused)
  }
}

/** The identity that kubeconfigs describe, with their texts. */
interface ReadIdentity {
  readonly texts: readonly string[]
  readonly identity: IdentitySource
}

/** @param last is returned, with the credentials of its plugin, where the files have not changed. */
async function readIdentity(paths: readonly string[], last?: ReadIdentity): Promise<ReadIdentity> {
  const files = await Promise.all(paths.map(readKubeconfig))
  const texts = files.map(({ text }) => text)
  if (last !== undefined && isDeepStrictEqual(texts, last.texts)) return last
  // As in kubectl, the first file that has a value wins.
  const current = files.find(({ content }) => content['current-context'])?.content['current-context']
  const source = paths.join(delimiter)
  if (current === undefined)
    throw new Error(
      `The kubeconfig ${source} names no cluster: set its current-context, or give another as kubernetes.kubeconfig.`,
    )
  const context = findEntry(files, 'context', current, source)
  const cluster = findEntry(files, 'cluster', context.value.cluster, source)
  const user = context.value.user ? findEntry(files, 'user', context.value.user, source) : anonymous
  checkProxy(cluster)
  checkUser(user)
  const plugin = pluginOf(cluster, user)
  return { texts, identity: async (wasRefused) => identityOf(cluster, user, await plugin(wasRefused)) }
}

/** The user of a context that names none. */
const anonymous: Entry<User> = { value: {}, folder: '', title: 'The anonymous user' }

/** @throws where the platform does not speak the protocol of the proxy. */
function checkProxy({ value, title }: Entry<Cluster>): void {
  const proxy = value['proxy-url']
  if (!proxy) return
  const { protocol } = URL.parse(proxy) ?? {}
  if (protocol === 'http:' || protocol === 'https:') return
  // The address may have a password and stays out of the message.
  const what = protocol === undefined ? 'no address' : `one for ${protocol}//`
  throw new Error(
    `${title} has a proxy-url that is ${what}: give an HTTP proxy, as http://HOST:PORT or https://HOST:PORT.`,
  )
}

/** @throws where the platform does not support a setting of the user, or the API server would refuse it. */
function checkUser({ value, title }: Entry<User>): void {
  if (value['auth-provider'] !== undefined)
    throw new Error(`${title} uses an auth-provider, which kubectl gave up in 1.26: use its exec plugin.`)
  const more = [value['as-uid'], ...(value['as-groups'] ?? []), ...Object.keys(value['as-user-extra'] ?? {})]
  if (!value.as && more.some(Boolean))
    throw new Error(`${title} has as-uid, as-groups or as-user-extra, but no as: name the user to impersonate.`)
}

/** Milliseconds before its expiry at which a credential is renewed. */
const renewMs = 30_000

/** The credential of a user's exec plugin, renewed before it expires; empty without a plugin. */
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

/** The token of a user. As in client-go, the file wins, and the token in the kubeconfig is used until the file can be read. */
async function tokenOf(user: Entry<User>): Promise<string | undefined> {
  const { token, tokenFile } = user.value
  if (!tokenFile) return token
  try {
    const text = (await readNamed(user, 'tokenFile', tokenFile)).trim()
    if (text === '') throw new Error(`${user.title} names the file ${tokenFile} as its tokenFile, which is empty.`)
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
  ...Object.fromEntries(
    Object.entries(extra).map(([key, values]) => [`impersonate-extra-${headerSuffix(key)}`, values]),
  ),
})

/** Encodes a key for the name of a header, as the API server decodes it: percent-encoding. */
const headerSuffix = (text: string): string =>
  encodeURIComponent(text)
    .replace(/[()]/g, (sign) => (sign === '(' ? '%28' : '%29'))
    .toLowerCase()

const authorityOf = (cluster: Entry<Cluster>): Promise<string | undefined> => pemOf(cluster, 'certificate-authority')

/** A PEM text that is given as base64, or in a file. */
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
