import { imageSource, type ImagePolicy } from '../access/allowed.ts'

/** A registry whose images are listed: a host, with an optional beginning of a path. */
export interface ListedRegistry {
  /** As the configuration and users write it. */
  readonly name: string
  /** The address that is contacted: the registry, or its alias. */
  readonly source: { readonly registry: string; readonly plainHttp: boolean }
  /** The reference without tag of the repository `path` there; undefined where it is not allowed. Pure. */
  readonly imageAt: (path: string) => string | undefined
}

/** The address and the names of the images of an entry of `images.registries`. Pure. */
export function listedRegistry(name: string, policy: ImagePolicy): ListedRegistry {
  const [host = '', ...rest] = name.replace(/\/+$/, '').split('/')
  const allowed = rest.length === 0 ? '' : `${rest.join('/')}/`
  const { path: standsIn, ...source } = imageSource({ registry: host, path: '' }, policy)
  return {
    name,
    source,
    imageAt: (path) => {
      if (!path.startsWith(standsIn)) return undefined
      const image = path.slice(standsIn.length)
      return image.startsWith(allowed) ? `${host}/${image}` : undefined
    },
  }
}
