import type { ImageSource, ImagePolicy } from './allowed.ts'
import { freshMilliseconds, graceMilliseconds, type AccessCache } from './access-cache.ts'
import { RegistryClient } from '../registry/registry-client.ts'
import { RegistryError } from '../registry/registry-error.ts'

/** What somebody wants of a registry. */
export interface Wish {
  readonly source: ImageSource
  /** A digest is a wish for that very manifest, a tag for what it means now. */
  readonly version: { readonly tag: string } | { readonly digest: string }
  /** `user:password`, for this registry. */
  readonly registryAuth?: string | undefined
}

/** What a registry lets somebody have. */
export interface Permission {
  readonly digest: string
  /** What it took: undefined where anybody may have it. */
  readonly registryAuth: string | undefined
}

/**
 * Whether, and as whom, somebody may have an image: the registry says, whatever is on this machine's disk. It is asked as
 * anybody first, so that no credentials leave for an image that is public. A yes is good for five minutes, and for a day
 * while the registry cannot be reached.
 *
 * @throws {RegistryError} or the signal's reason.
 */
export async function permissionFor(
  { source, version, registryAuth }: Wish,
  policy: Pick<ImagePolicy, 'tokenHosts'>,
  accessCache: AccessCache,
  signal: AbortSignal,
): Promise<Permission> {
  const ways = registryAuth === undefined ? [undefined] : [undefined, registryAuth]
  if ('digest' in version) {
    const { digest } = version
    for (const way of ways)
      if ((await accessCache.age({ source, digest, registryAuth: way })) < freshMilliseconds)
        return { digest, registryAuth: way }
  }
  let refusal: RegistryError | undefined
  for (const way of ways) {
    try {
      // What did not answer one will not answer the other.
      if (refusal?.failure === 'unreachable') throw refusal
      const client = new RegistryClient({ source, credentials: way, signal, ...pick(policy) })
      const digest = await client.digest(source.path, 'digest' in version ? version.digest : version.tag)
      if ('digest' in version && digest !== version.digest)
        throw new RegistryError('invalid', `asked for ${version.digest}, the registry answered with ${digest}`)
      await accessCache.add({ source, digest, registryAuth: way })
      return { digest, registryAuth: way }
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error
      refusal = error
      if (!('digest' in version)) continue
      const reading = { source, digest: version.digest, registryAuth: way }
      if (error.failure === 'denied' || error.failure === 'missing') await accessCache.remove(reading)
      const isAway = error.failure === 'unreachable' || error.failure === 'busy'
      if (isAway && (await accessCache.age(reading)) < graceMilliseconds)
        return { digest: version.digest, registryAuth: way }
    }
  }
  throw refusal ?? new Error('there was no way to ask')
}

const pick = ({ tokenHosts }: Pick<ImagePolicy, 'tokenHosts'>) => (tokenHosts === undefined ? {} : { tokenHosts })
