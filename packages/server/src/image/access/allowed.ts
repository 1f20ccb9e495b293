import { isLocal, localRegistry, type ImageReference } from '../../job/image-reference.ts'

/** Which images jobs may use, and where they are fetched from; the configuration's `images` section. */
export interface ImagePolicy {
  /** Allowed hosts, or hosts with the beginning of a path (`images.canfar.net/skaha`). Empty: only the local store. */
  readonly registries: readonly string[]
  /** Registry → the registry, with an optional path, that serves its images. Users keep writing the former. */
  readonly aliases: Readonly<Record<string, string>>
  /** Registries that are contacted over plain http. */
  readonly insecure: readonly string[]
  /** Registry → hosts that may issue its tokens besides the registry itself. @defaultValue none */
  readonly tokenHosts?: Readonly<Record<string, readonly string[]>>
}

/** The address that serves an image. */
export interface ImageSource {
  /** `host[:port]`. */
  readonly registry: string
  readonly path: string
  readonly plainHttp: boolean
}

/** Whether the policy lets jobs use this image. The local store is always allowed. Pure. */
export function isAllowed(reference: ImageReference, policy: ImagePolicy): boolean {
  const name = `${reference.registry}/${reference.path}`
  return isLocal(reference) || policy.registries.some((allowed) => name.startsWith(`${allowed.replace(/\/+$/, '')}/`))
}

/** The message by which the wire refuses an image (wire contract 3.4). Pure. */
export function notAllowedMessage(image: string, policy: ImagePolicy): string {
  const hosts = policy.registries.length > 0 ? policy.registries : [localRegistry]
  return `session image '${image}' must come from one of [${hosts.join(', ')}]`
}

/** The address that serves an image: its registry, or the alias. Pure. */
export function imageSource(reference: ImageReference, policy: ImagePolicy): ImageSource {
  const alias = Object.hasOwn(policy.aliases, reference.registry) ? policy.aliases[reference.registry] : undefined
  const [registry = '', ...prefix] = (alias ?? reference.registry).replace(/\/+$/, '').split('/')
  const path = [...prefix, reference.path].join('/')
  return { registry, path, plainHttp: policy.insecure.includes(registry) }
}
