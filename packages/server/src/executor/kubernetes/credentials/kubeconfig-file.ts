import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { parse } from 'yaml'
import { ExecPluginShape } from './exec-plugin.ts'

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
  extensions: Type.Optional(Type.Array(Type.Object({ name: Type.String(), extension: Type.Optional(Type.Unknown()) }))),
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
  'as-user-extra': Type.Optional(Type.Record(Type.String(), Type.Array(Type.String()))),
  exec: Type.Optional(ExecPluginShape),
  'auth-provider': Type.Optional(Type.Unknown()),
})
const ContextShape = Type.Object({ cluster: Type.String(), user: text })
const FileShape = Type.Object({
  'current-context': text,
  clusters: named('cluster', ClusterShape),
  contexts: named('context', ContextShape),
  users: named('user', Type.Optional(UserShape)),
})

/** A cluster, as a kubeconfig describes it. */
export type Cluster = Static<typeof ClusterShape>
/** A user, as a kubeconfig describes it. */
export type User = Static<typeof UserShape>

/** A kubeconfig that was read. */
export interface KubeconfigFile {
  readonly path: string
  /** Its content as text, to find out whether it has changed. */
  readonly text: string
  readonly content: Static<typeof FileShape>
}

/** A named entry of a kubeconfig. */
export interface Entry<T> {
  readonly value: T
  /** The folder of the kubeconfig: its paths are relative to it. */
  readonly folder: string
  /** The entry and its kubeconfig, as the subject of a message. */
  readonly title: string
}

/** Reads a kubeconfig. @throws where it is missing, unreadable or invalid. */
export async function readKubeconfig(path: string): Promise<KubeconfigFile> {
  const fault = (what: string): Error => new Error(`The kubeconfig ${path} ${what}`)
  let text: string
  let content: unknown
  try {
    text = await readFile(path, 'utf8')
    content = withoutNulls(parse(text))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw fault('does not exist (kubernetes.kubeconfig).')
    // The first line of a parser's error only: the others quote the file, perhaps a token.
    throw fault(`could not be read: ${(error as Error).message.split('\n')[0]}`)
  }
  const [wrong] = Value.Errors(FileShape, content)
  if (wrong !== undefined) throw fault(`is invalid: ${wrong.instancePath} ${wrong.message}`)
  return { path, text, content: content as Static<typeof FileShape> }
}

/** The lists of a kubeconfig, by the key of an entry. The key of the list is its plural. */
interface Listed {
  readonly context: Static<typeof ContextShape>
  readonly cluster: Cluster
  readonly user: User
}

/** The first entry with a name. Pure. @throws where no file has it. */
export function findEntry<K extends keyof Listed>(
  files: readonly KubeconfigFile[],
  key: K,
  name: string,
  source: string,
): Entry<Listed[K]> {
  for (const { path, content } of files) {
    const entries = content[`${key}s`] as readonly Record<string, unknown>[] | undefined
    const entry = entries?.find((one) => one['name'] === name)
    // `user: null` is a user without credentials.
    if (entry !== undefined)
      return {
        value: (entry[key] ?? {}) as Listed[K],
        folder: dirname(resolve(path)),
        title: `The ${key} ${name} of the kubeconfig ${path}`,
      }
  }
  throw new Error(`The kubeconfig ${source} refers to the ${key} ${name}, which it does not define.`)
}

/**
 * The content of a file that an entry names.
 *
 * @param key of the entry that has the path.
 * @throws where the file cannot be read; the message has the entry.
 */
export async function readNamed(entry: Entry<unknown>, key: string, path: string): Promise<string> {
  const absolute = resolve(entry.folder, path)
  try {
    return await readFile(absolute, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read: ${message}`
    throw new Error(`${entry.title} names the file ${absolute} as its ${key}, which ${why}.`, { cause: error })
  }
}

/** Removes null values, which kubectl writes for absent ones. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (one === null ? [] : [[key, withoutNulls(one)]])),
  )
}
