import { imageSource, type ImagePolicy } from '../access/allowed.ts'

/** One of the registries whose images are listed: a host, perhaps with the beginning of a path. */
export interface ListedRegistry {
  /** As the configuration and the users have it. */
  readonly name: string
  /** What is asked: the registry, or what stands in for it. */
  readonly source: { readonly registry: string; readonly plainHttp: boolean }
  /** The reference, less tag, of what is asked as `path`; undefined where it is not of this list. Pure. */
  readonly imageAt: (path: string) => string | undefined
}

/** How the images of an entry of `images.registries` are found and what they are called here. Pure. */
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
