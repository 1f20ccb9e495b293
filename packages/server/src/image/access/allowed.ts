import { isLocal, localRegistry, type ImageReference } from '../../job/image-reference.ts'

/** Where images may come from; the configuration's `images` section. */
export interface ImagePolicy {
  /** Hosts, or hosts with the beginning of a path (`images.canfar.net/skaha`). Empty: only the local store. */
  readonly registries: readonly string[]
  /** Registry → the registry, with an optional path, that stands in for it. Users go on writing the former. */
  readonly aliases: Readonly<Record<string, string>>
  /** Registries that are spoken to over plain http. */
  readonly insecure: readonly string[]
  /** Registry → hosts that may hand out its tokens, where that is not the registry itself. @defaultValue none */
  readonly tokenHosts?: Readonly<Record<string, readonly string[]>>
}

/** The address an image is really fetched from. */
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

/** The sentence with which the wire refuses an image (wire contract 3.4). Pure. */
export function notAllowedMessage(image: string, policy: ImagePolicy): string {
  const hosts = policy.registries.length > 0 ? policy.registries : [localRegistry]
  return `session image '${image}' must come from one of [${hosts.join(', ')}]`
}

/** Where to fetch an image from: its registry, or what stands in for it. Pure. */
export function imageSource(reference: ImageReference, policy: ImagePolicy): ImageSource {
  const alias = Object.hasOwn(policy.aliases, reference.registry) ? policy.aliases[reference.registry] : undefined
  const [registry = '', ...prefix] = (alias ?? reference.registry).replace(/\/+$/, '').split('/')
  const path = [...prefix, reference.path].join('/')
  return { registry, path, plainHttp: policy.insecure.includes(registry) }
}
