import type { ImagePolicy } from '../image/access/allowed.ts'
import { bindCredentials, unboundFor, type BoundCredentials } from '../image/access/bound-credentials.ts'
import type { ImageReference } from '../job/image-reference.ts'
import type { StoredJob } from '../job/job.ts'
import type { Seal } from '../lib/secrets/seal.ts'
import type { Store, StoredRegistryLogin } from '../store/store.ts'

/** Users' credentials for registries: sealed at rest, bound in use to the address that they were given for. */
export interface RegistryLogins {
  /** Seals the credentials of a submission for its jobs; undefined where the image takes none. */
  sealFor(image: ImageReference, registryAuth: string): string | undefined
  /** `user:password` for the image of a job: from its submission, otherwise from its owner's stored logins. */
  ofJob(job: Pick<StoredJob, 'id' | 'owner'>, image: ImageReference): Promise<string | undefined>
  /** `user:password` that a user has stored for the registry of an image. */
  ofUser(account: string, image: ImageReference): Promise<string | undefined>
  /** Stores credentials for a registry; replaces earlier ones. */
  put(login: Omit<StoredRegistryLogin, 'sealed' | 'username'> & { readonly registryAuth: string }): Promise<void>
}

/** Creates {@link RegistryLogins} over the store. */
export function registryLogins(
  store: Pick<Store, 'secret' | 'registryLogin' | 'putRegistryLogin'>,
  seal: Seal,
  policy: ImagePolicy,
): RegistryLogins {
  const ofUser: RegistryLogins['ofUser'] = async (account, image) => {
    const stored = await store.registryLogin(account, image.registry)
    if (stored === undefined) return undefined
    return unboundFor(image, { address: stored.address, registryAuth: unsealed(stored) }, policy)
  }
  const unsealed = ({ sealed, registry }: StoredRegistryLogin): string => {
    try {
      return seal.unseal(sealed)
    } catch (error) {
      const message = `the platform's key does not decrypt the credentials stored for ${registry}; store them again`
      throw new Error(`${message}: canfar registry login ${registry}`, { cause: error })
    }
  }
  return {
    sealFor(image, registryAuth) {
      const bound = bindCredentials(image, registryAuth, policy)
      return bound && seal.seal(JSON.stringify(bound))
    },
    async ofJob({ id, owner }, image) {
      const sealed = await store.secret(id)
      if (sealed === undefined) return ofUser(owner, image)
      return unboundFor(image, JSON.parse(seal.unseal(sealed)) as BoundCredentials, policy)
    },
    ofUser,
    async put({ registryAuth, ...login }) {
      const username = registryAuth.slice(0, registryAuth.indexOf(':'))
      await store.putRegistryLogin({ ...login, username, sealed: seal.seal(registryAuth) })
    },
  }
}
