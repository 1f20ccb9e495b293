import { createHash } from 'node:crypto'
import { RegistryClient } from '../registry/registry-client.ts'
import { RegistryError } from '../registry/registry-error.ts'
import { freshMilliseconds, graceMilliseconds, type AccessCache } from './access-cache.ts'
import type { ImagePolicy, ImageSource } from './allowed.ts'

/** A manifest in a registry, and the credentials for it. */
export interface ManifestRequest {
  readonly source: ImageSource
  /** A digest names one manifest; a tag names what it means now. */
  readonly version: { readonly tag: string } | { readonly digest: string }
  /** `user:password`, for this registry. */
  readonly registryAuth?: string | undefined
}

/** What a registry lets the caller have. */
export interface Permission {
  readonly digest: string
  /** The credentials that the registry required; undefined where the image is public. */
  readonly registryAuth: string | undefined
}

/**
 * Asks the registry whether the caller may have an image, whatever is on this machine's disk. The first request carries no
 * credentials, so that none leave the platform for a public image. A yes holds for five minutes, and for a day while the
 * registry cannot be reached.
 *
 * @throws {RegistryError} or the signal's reason.
 */
export async function permissionFor(
  { source, version, registryAuth }: ManifestRequest,
  policy: Pick<ImagePolicy, 'tokenHosts'>,
  accessCache: AccessCache,
  signal: AbortSignal,
): Promise<Permission> {
  const attempts = registryAuth === undefined ? [undefined] : [undefined, registryAuth]
  if ('digest' in version) {
    const { digest } = version
    for (const credentials of attempts)
      if ((await accessCache.age({ source, digest, registryAuth: credentials })) < freshMilliseconds)
        return { digest, registryAuth: credentials }
  }
  let refusal: RegistryError | undefined
  for (const credentials of attempts) {
    try {
      // A registry that did not answer the first request will not answer the second.
      if (refusal?.failure === 'unreachable') throw refusal
      const client = new RegistryClient({ source, credentials, signal, ...tokenHostsOf(policy) })
      const digest = await client.digest(source.path, 'digest' in version ? version.digest : version.tag)
      if ('digest' in version && digest !== version.digest)
        throw new RegistryError('invalid', `requested ${version.digest}, the registry answered with ${digest}`)
      await accessCache.add({ source, digest, registryAuth: credentials })
      return { digest, registryAuth: credentials }
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error
      refusal = error
      if (!('digest' in version)) continue
      const access = { source, digest: version.digest, registryAuth: credentials }
      if (error.failure === 'denied' || error.failure === 'missing') await accessCache.remove(access)
      const isAway = error.failure === 'unreachable' || error.failure === 'busy'
      if (isAway && (await accessCache.age(access)) < graceMilliseconds)
        return { digest: version.digest, registryAuth: credentials }
    }
  }
  throw refusal ?? new Error('no request was made')
}

const tokenHostsOf = ({ tokenHosts }: Pick<ImagePolicy, 'tokenHosts'>) =>
  tokenHosts === undefined ? {} : { tokenHosts }

/** Separates requests that must not share a result. A hash, so that no password stays in memory as a key. Pure. */
export const sharingKey = (what: string, registryAuth: string | undefined): string =>
  createHash('sha256')
    .update(JSON.stringify([what, registryAuth ?? null]))
    .digest('hex')
