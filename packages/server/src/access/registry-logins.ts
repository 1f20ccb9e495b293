import type { ImagePolicy } from '../image/access/allowed.ts'
import { bindCredentials, unboundFor, type BoundCredentials } from '../image/access/bound-credentials.ts'
import { parseReference } from '../job/image-reference.ts'
import type { StoredJob } from '../job/job.ts'
import type { Store, StoredRegistryLogin } from '../store/store.ts'
import type { Seal } from '../lib/secrets/seal.ts'

/** Users' credentials for registries: at rest sealed, in use bound to the one address they were given for. */
export interface RegistryLogins {
  /** What came with a submission, sealed for its jobs; undefined where the image needs none. */
  sealFor(image: string, registryAuth: string): string | undefined
  /** `user:password` for the image of a job: what came with it, else what its owner has stored. */
  ofJob(job: Pick<StoredJob, 'id' | 'owner' | 'image'>): Promise<string | undefined>
  /** `user:password` that a user has stored for the registry of an image. */
  ofUser(account: string, image: string): Promise<string | undefined>
  /** Stores credentials for a registry in place of those that were there. */
  put(login: Omit<StoredRegistryLogin, 'sealed' | 'username'> & { readonly registryAuth: string }): Promise<void>
}

/** Makes {@link RegistryLogins} over the store. */
export function registryLogins(
  store: Pick<Store, 'secret' | 'registryLogin' | 'putRegistryLogin'>,
  seal: Seal,
  policy: ImagePolicy,
): RegistryLogins {
  const ofUser: RegistryLogins['ofUser'] = async (account, image) => {
    const reference = parseReference(image)
    if ('fault' in reference) return undefined
    const stored = await store.registryLogin(account, reference.registry)
    if (stored === undefined) return undefined
    return unboundFor(image, { address: stored.address, registryAuth: unsealed(stored) }, policy)
  }
  const unsealed = ({ sealed, registry }: StoredRegistryLogin): string => {
    try {
      return seal.unseal(sealed)
    } catch (error) {
      const message = `the credentials stored for ${registry} cannot be read with this platform's key; store them again`
      throw new Error(`${message}: canfar registry login ${registry}`, { cause: error })
    }
  }
  return {
    sealFor(image, registryAuth) {
      const bound = bindCredentials(image, registryAuth, policy)
      return bound && seal.seal(JSON.stringify(bound))
    },
    async ofJob({ id, owner, image }) {
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
