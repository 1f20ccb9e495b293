import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { parse } from 'yaml'
import { type Credential, ExecPluginShape, runExecPlugin } from './exec-plugin.ts'

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
 * Finds an identity anew: tokens and certificates in files are replaced now and then.
 * @param wasRefused - The last one was: plugins are asked again even if it was to last longer.
 */
export type IdentitySource = (wasRefused: boolean) => Promise<Identity>

const text = Type.Optional(Type.String())
const named = <T extends Type.TSchema>(key: string, of: T) =>
  Type.Optional(Type.Array(Type.Object({ name: Type.String(), [key]: of })))

const ClusterShape = Type.Object({
  server: Type.String({ pattern: '^https?://' }),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'insecure-skip-tls-verify': Type.Optional(Type.Boolean()),
  'tls-server-name': text,
  'proxy-url': text,
})
const UserShape = Type.Object({
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  as: text,
  'as-uid': text,
  'as-groups': Type.Optional(Type.Array(Type.String())),
  exec: Type.Optional(ExecPluginShape),
  'auth-provider': Type.Optional(Type.Unknown()),
})
const ContextShape = Type.Object({ cluster: Type.String(), user: text })
const FileShape = Type.Object({
  'current-context': text,
  clusters: named('cluster', ClusterShape),
  contexts: named('context', ContextShape),
  users: named('user', UserShape),
})
type Cluster = Static<typeof ClusterShape>
type User = Static<typeof UserShape>
type File = Static<typeof FileShape> & { readonly folder: string }

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
  const files = await Promise.all(paths.map(readKubeconfig))
  // As kubectl has it: what comes first counts.
  const current = files.find((file) => file['current-context'])?.['current-context']
  const source = paths.join(delimiter)
  if (current === undefined)
    throw new Error(
      `The kubeconfig ${source} names no cluster: set its current-context, or give another as kubernetes.kubeconfig.`,
    )
  const context = find(files, 'context', current, source)
  const cluster = find(files, 'cluster', context.value.cluster, source)
  const user = context.value.user ? find(files, 'user', context.value.user, source) : undefined
  if (user?.value['auth-provider'] !== undefined)
    throw new Error(
      `The kubeconfig ${source} uses an auth-provider, which kubectl gave up in 1.26: use its exec plugin.`,
    )
  const plugin = pluginOf(cluster, user)
  return async (wasRefused) => identityOf(cluster, user, await plugin(wasRefused))
}

/** Milliseconds before a credential runs out at which a new one is asked for. */
const renewMs = 30_000

/** Asks a user's plugin, where there is one, when what it told has run out. */
function pluginOf(
  cluster: Entry<Cluster>,
  user: Entry<User> | undefined,
): (wasRefused: boolean) => Promise<Credential> {
  const plugin = user?.value.exec
  if (plugin === undefined) return () => Promise.resolve({})
  let last: Credential | undefined
  return async (wasRefused) => {
    if (last === undefined || wasRefused || (last.expiresAt ?? Infinity) < Date.now() + renewMs)
      last = await runExecPlugin(plugin, cluster.value, user?.folder ?? '')
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

async function readKubeconfig(path: string): Promise<File> {
  const fault = (what: string): Error => new Error(`The kubeconfig ${path} ${what}`)
  let file: unknown
  try {
    file = parse(await readFile(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw fault('is not there (kubernetes.kubeconfig).')
    throw fault(`could not be read: ${(error as Error).message}`)
  }
  const [wrong] = Value.Errors(FileShape, file)
  if (wrong !== undefined) throw fault(`is none: ${wrong.instancePath} ${wrong.message}`)
  return { ...(file as Static<typeof FileShape>), folder: dirname(resolve(path)) }
}

/** An entry of a kubeconfig; paths in it are relative to its file's folder. */
interface Entry<T> {
  readonly value: T
  readonly folder: string
}

/** What a kubeconfig lists, by what an entry is called; the list is called so with an s behind. */
interface Listed {
  readonly context: Static<typeof ContextShape>
  readonly cluster: Cluster
  readonly user: User
}

function find<K extends keyof Listed>(files: readonly File[], key: K, name: string, source: string): Entry<Listed[K]> {
  for (const file of files) {
    const entries = file[`${key}s`] as readonly Record<string, unknown>[] | undefined
    const entry = entries?.find((one) => one['name'] === name)
    if (entry !== undefined) return { value: entry[key] as Listed[K], folder: file.folder }
  }
  throw new Error(`The kubeconfig ${source} speaks of the ${key} ${name}, which is not in it.`)
}

async function identityOf(
  cluster: Entry<Cluster>,
  user: Entry<User> | undefined,
  credential: Credential,
): Promise<Identity> {
  const { value: of } = cluster
  const { value: who = {}, folder = '' } = user ?? {}
  const server = of.server.replace(/\/+$/, '')
  const ca = await either(of['certificate-authority-data'], of['certificate-authority'], cluster.folder)
  const cert = credential.cert ?? (await either(who['client-certificate-data'], who['client-certificate'], folder))
  const key = credential.key ?? (await either(who['client-key-data'], who['client-key'], folder))
  const token =
    credential.token ??
    who.token ??
    (who.tokenFile === undefined ? undefined : (await readFile(resolve(folder, who.tokenFile), 'utf8')).trim())
  return {
    server,
    ...(of['proxy-url'] ? { proxyUrl: of['proxy-url'] } : {}),
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(of['tls-server-name'] ? { servername: of['tls-server-name'] } : {}),
      ...(of['insecure-skip-tls-verify'] === true ? { rejectUnauthorized: false as const } : {}),
    },
    headers: { ...authorization(token, who), ...impersonation(who) },
  }
}

function authorization(token: string | undefined, { username, password = '' }: User): Record<string, string> {
  if (token) return { authorization: `Bearer ${token}` }
  if (!username) return {}
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}

const impersonation = ({ as, 'as-uid': uid, 'as-groups': groups = [] }: User): Record<string, string | string[]> => ({
  ...(as ? { 'impersonate-user': as } : {}),
  ...(uid ? { 'impersonate-uid': uid } : {}),
  ...(groups.length === 0 ? {} : { 'impersonate-group': groups }),
})

/** What is given as base64, or lies in a file. */
async function either(data: string | undefined, path: string | undefined, folder: string): Promise<string | undefined> {
  if (data) return Buffer.from(data, 'base64').toString()
  return path ? readFile(resolve(folder, path), 'utf8') : undefined
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
