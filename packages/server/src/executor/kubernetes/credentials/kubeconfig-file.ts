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
/** Who one is, as a kubeconfig describes it. */
export type User = Static<typeof UserShape>

/** A kubeconfig that was read. */
export interface KubeconfigFile {
  readonly path: string
  /** What it says, as text: the same text says the same. */
  readonly text: string
  readonly content: Static<typeof FileShape>
}

/** Something of a kubeconfig that has a name. */
export interface Entry<T> {
  readonly value: T
  /** Of the kubeconfig: paths in it are relative to it. */
  readonly folder: string
  /** For messages, at the beginning of a sentence: which kubeconfig, and what of it. */
  readonly called: string
}

/** Reads a kubeconfig. @throws where it is not there, cannot be read, or is none. */
export async function readKubeconfig(path: string): Promise<KubeconfigFile> {
  const fault = (what: string): Error => new Error(`The kubeconfig ${path} ${what}`)
  let text: string
  let content: unknown
  try {
    text = await readFile(path, 'utf8')
    content = withoutNulls(parse(text))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw fault('is not there (kubernetes.kubeconfig).')
    // Of a parser's complaint the first line: below it is what it complains of, perhaps a token.
    throw fault(`could not be read: ${(error as Error).message.split('\n')[0]}`)
  }
  const [wrong] = Value.Errors(FileShape, content)
  if (wrong !== undefined) throw fault(`is none: ${wrong.instancePath} ${wrong.message}`)
  return { path, text, content: content as Static<typeof FileShape> }
}

/** What a kubeconfig lists, by what an entry is called; the list is called so with an s behind. */
interface Listed {
  readonly context: Static<typeof ContextShape>
  readonly cluster: Cluster
  readonly user: User
}

/** The first entry of this name. Pure. @throws where there is none. */
export function findEntry<K extends keyof Listed>(
  files: readonly KubeconfigFile[],
  key: K,
  name: string,
  source: string,
): Entry<Listed[K]> {
  for (const { path, content } of files) {
    const entries = content[`${key}s`] as readonly Record<string, unknown>[] | undefined
    const entry = entries?.find((one) => one['name'] === name)
    // `user: null` is somebody without credentials.
    if (entry !== undefined)
      return {
        value: (entry[key] ?? {}) as Listed[K],
        folder: dirname(resolve(path)),
        called: `The ${key} ${name} of the kubeconfig ${path}`,
      }
  }
  throw new Error(`The kubeconfig ${source} speaks of the ${key} ${name}, which is not in it.`)
}

/**
 * The content of a file that an entry names.
 * @param key Under which it names it.
 * @throws where it cannot be read; says who named it.
 */
export async function readNamed(entry: Entry<unknown>, key: string, path: string): Promise<string> {
  const absolute = resolve(entry.folder, path)
  try {
    return await readFile(absolute, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'is not there' : `cannot be read: ${message}`
    throw new Error(`${entry.called} names the file ${absolute} as its ${key}, which ${why}.`, { cause: error })
  }
}

/** What kubectl writes for what is not given: to it, null is the same as nothing. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (one === null ? [] : [[key, withoutNulls(one)]])),
  )
}
