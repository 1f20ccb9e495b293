import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { orHeadless, typesOf } from './image-types.ts'
import { parseReference } from '../../job/image-reference.ts'
import { RegistryClient } from '../registry/registry-client.ts'
import { RegistryError } from '../registry/registry-error.ts'
import { readRemoteImage } from '../registry/remote-image.ts'
import { inParallel } from './in-parallel.ts'
import type { ListedRegistry } from './listed-registry.ts'

/** An image that a registry lists for anonymous clients. */
export interface ListedImage {
  readonly reference: string
  readonly digest: string
  readonly types: readonly string[]
}

/** Settings of {@link listImages}. */
export interface ListingOptions {
  /** The types of known images by digest: an image with the same digest has the same types. */
  readonly knownTypes: ReadonlyMap<string, readonly string[]>
  readonly signal: AbortSignal
  /** Images of one registry that are listed. @defaultValue 50000 */
  readonly mostImages?: number
}

/** Requests to one registry at once: few, since no user waits for a listing. */
const workers = 8
/** Pages of one list that are read. A registry could link from page to page without an end. */
const mostPages = 1000

const Catalog = Compile(Type.Object({ repositories: Type.Union([Type.Array(Type.String()), Type.Null()]) }))
const Tags = Compile(Type.Object({ tags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])) }))
const HarborInfo = Compile(Type.Object({ auth_mode: Type.String() }))
const Named = Compile(Type.Array(Type.Object({ name: Type.String() })))
const Names = Type.Optional(Type.Union([Type.Array(Type.Object({ name: Type.String() })), Type.Null()]))
const Artifact = Type.Object({ digest: Type.String(), tags: Names, labels: Names })
const Artifacts = Compile(Type.Array(Artifact))

/**
 * The images that a registry lists for anonymous clients, sorted by reference. Harbor is listed through its own API, whose
 * labels are the types; other registries by the distribution specification, with the types from the images' labels.
 * Requests carry no credentials: private images are not for all users. @throws {RegistryError} or the signal's reason.
 */
export async function listImages(listed: ListedRegistry, options: ListingOptions): Promise<readonly ListedImage[]> {
  const { mostImages = 50_000, signal, knownTypes } = options
  const client = new RegistryClient({ source: listed.source, signal })
  const found = new FoundImages(mostImages)
  if (await isHarbor(client)) await listHarbor(client, listed, found)
  else await listCatalog(client, listed, found, knownTypes)
  return found.images
    .filter(({ reference }) => !('fault' in parseReference(reference)))
    .sort((a, b) => (a.reference < b.reference ? -1 : 1))
}

/** The images found so far, up to a limit. */
class FoundImages {
  readonly images: ListedImage[] = []
  readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  get isFull(): boolean {
    return this.images.length >= this.limit
  }

  add(image: ListedImage): void {
    if (!this.isFull) this.images.push(image)
  }
}

async function listCatalog(
  client: RegistryClient,
  listed: ListedRegistry,
  found: FoundImages,
  knownTypes: ListingOptions['knownTypes'],
): Promise<void> {
  const paths = await pages(client, '/v2/_catalog?n=1000', found.limit, (page) =>
    (Catalog.Check(page) ? (page.repositories ?? []) : []).filter((path) => listed.imageAt(path) !== undefined),
  )
  if (paths === undefined) throw new RegistryError('missing', 'the registry has no catalog')
  const types = new Map<string, Promise<readonly string[] | undefined>>()
  const typesOnce = (path: string, digest: string): Promise<readonly string[] | undefined> => {
    const known = knownTypes.get(digest)
    const reading =
      types.get(digest) ??
      (known === undefined ? orSkipped(labelledTypes(client, path, digest)) : Promise.resolve(known))
    types.set(digest, reading)
    return reading
  }
  await inParallel(workers, paths, async (path) => {
    if (found.isFull) return
    const tagsOf = (page: unknown): string[] => (Tags.Check(page) ? (page.tags ?? []) : [])
    for (const tag of (await orSkipped(pages(client, `/v2/${path}/tags/list?n=1000`, found.limit, tagsOf))) ?? []) {
      if (found.isFull) return
      const digest = await orSkipped(client.digest(path, tag))
      if (digest === undefined) continue
      const types = await typesOnce(path, digest)
      if (types !== undefined) found.add({ reference: `${listed.imageAt(path)}:${tag}`, digest, types })
    }
  })
}

const labelledTypes = async (client: RegistryClient, path: string, digest: string): Promise<readonly string[]> =>
  typesOf((await readRemoteImage(client, path, digest)).config.labels)

/** https://goharbor.io/docs/2.11.0/build-customize-contribute/configure-swagger/ */
async function isHarbor(client: RegistryClient): Promise<boolean> {
  const answer = await client.json('/api/v2.0/systeminfo').catch((error: unknown) => {
    if (error instanceof RegistryError && error.failure !== 'unreachable') return undefined
    throw error
  })
  return HarborInfo.Check(answer?.value)
}

async function listHarbor(client: RegistryClient, listed: ListedRegistry, found: FoundImages): Promise<void> {
  const named = async (path: string): Promise<string[]> =>
    (await pages(client, path, found.limit, (page) => (Named.Check(page) ? page.map(({ name }) => name) : []))) ?? []
  await inParallel(workers, await named('/api/v2.0/projects?public=true&page_size=100'), async (project) => {
    const at = `/api/v2.0/projects/${encodeURIComponent(project)}/repositories`
    for (const path of (await orSkipped(named(`${at}?page_size=100`))) ?? []) {
      if (found.isFull) return
      const image = listed.imageAt(path)
      if (image === undefined) continue
      // Harbor's documentation: names of several parts are encoded twice.
      const name = encodeURIComponent(encodeURIComponent(path.slice(project.length + 1)))
      const query = 'page_size=100&with_tag=true&with_label=true'
      const imagesOf = (page: unknown): ListedImage[] => (Artifacts.Check(page) ? page.flatMap(tagged(image)) : [])
      const artifacts = pages(client, `${at}/${name}/artifacts?${query}`, found.limit, imagesOf)
      for (const each of (await orSkipped(artifacts)) ?? []) found.add(each)
    }
  })
}

/** An artefact of Harbor as images, one a tag. Pure. */
const tagged =
  (image: string) =>
  ({ digest, tags, labels }: Static<typeof Artifact>): ListedImage[] => {
    const types = orHeadless((labels ?? []).map((label) => label.name))
    return (tags ?? []).map(({ name: tag }) => ({ reference: `${image}:${tag}`, digest, types }))
  }

/** The items of a list, page by page along its links, up to a limit; undefined where there is no list. */
async function pages<T>(
  client: RegistryClient,
  path: string,
  most: number,
  itemsOf: (page: unknown) => readonly T[],
): Promise<T[] | undefined> {
  const items: T[] = []
  const seen = new Set<string>()
  for (let next: string | undefined = path; next !== undefined && !seen.has(next);) {
    seen.add(next)
    const page: Awaited<ReturnType<RegistryClient['json']>> = await client.json(next)
    if (page === undefined) return seen.size === 1 ? undefined : items
    items.push(...itemsOf(page.value).slice(0, most - items.length))
    if (items.length >= most || seen.size >= mostPages) return items
    next = page.next
  }
  return items
}

/** Skips one thing that is gone meanwhile, private or broken. A registry that does not answer ends the listing. */
async function orSkipped<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof RegistryError && (error.failure === 'unreachable' || error.failure === 'busy')) throw error
    if (error instanceof Error && error.name !== 'AbortError') return undefined
    throw error
  }
}
