import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { orHeadless, typesOf } from './image-types.ts'
import { parseReference } from '../../job/image-reference.ts'
import { RegistryClient } from '../registry/registry-client.ts'
import { RegistryError } from '../registry/registry-error.ts'
import { readRemoteImage } from '../registry/remote-image.ts'
import { inParallel } from './in-parallel.ts'
import type { ListedRegistry } from './listed-registry.ts'

/** An image that a registry shows to everybody. */
export interface ListedImage {
  readonly reference: string
  readonly digest: string
  readonly types: readonly string[]
}

/** What a listing is given. */
export interface ListingOptions {
  /** The types of images that are known by their digest, which never change. */
  readonly knownTypes: ReadonlyMap<string, readonly string[]>
  readonly signal: AbortSignal
}

/** Questions to one registry at once: few, for nobody waits. */
const workers = 8
/** Images of one registry that are listed. */
const mostImages = 50_000

const Catalog = Compile(Type.Object({ repositories: Type.Union([Type.Array(Type.String()), Type.Null()]) }))
const Tags = Compile(Type.Object({ tags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])) }))
const HarborInfo = Compile(Type.Object({ auth_mode: Type.String() }))
const Named = Compile(Type.Array(Type.Object({ name: Type.String() })))
const Names = Type.Optional(Type.Union([Type.Array(Type.Object({ name: Type.String() })), Type.Null()]))
const Artifacts = Compile(Type.Array(Type.Object({ digest: Type.String(), tags: Names, labels: Names })))

/**
 * The images that a registry shows to everybody, by reference: with Harbor's own API where it answers to that, whose labels
 * are the types, else by the distribution specification, the types from the images' own labels. Asked as anybody: what
 * takes credentials is nobody else's to see. @throws {RegistryError} or the signal's reason.
 */
export async function listImages(listed: ListedRegistry, options: ListingOptions): Promise<readonly ListedImage[]> {
  const client = new RegistryClient({ source: listed.source, signal: options.signal })
  const images = (await isHarbor(client))
    ? await harborImages(client, listed)
    : await catalogImages(client, listed, options)
  return images
    .filter(({ reference }) => !('fault' in parseReference(reference)))
    .sort((a, b) => (a.reference < b.reference ? -1 : 1))
}

async function catalogImages(
  client: RegistryClient,
  listed: ListedRegistry,
  { knownTypes }: ListingOptions,
): Promise<ListedImage[]> {
  const catalog = await pages(client, '/v2/_catalog?n=1000')
  if (catalog.length === 0) throw new RegistryError('missing', 'the registry has no catalog')
  const paths = catalog.flatMap((page) => (Catalog.Check(page) ? (page.repositories ?? []) : []))
  const images: ListedImage[] = []
  const types = new Map<string, Promise<readonly string[] | undefined>>()
  const typesOnce = (path: string, digest: string): Promise<readonly string[] | undefined> => {
    const known = knownTypes.get(digest)
    const asked =
      types.get(digest) ??
      (known === undefined ? orSkipped(labelledTypes(client, path, digest)) : Promise.resolve(known))
    types.set(digest, asked)
    return asked
  }
  await inParallel(workers, paths, async (path) => {
    const image = listed.imageAt(path)
    if (image === undefined || images.length >= mostImages) return
    const tags = (await orSkipped(pages(client, `/v2/${path}/tags/list?n=1000`)))?.flatMap((page) =>
      Tags.Check(page) ? (page.tags ?? []) : [],
    )
    for (const tag of tags ?? []) {
      const digest = await orSkipped(client.digest(path, tag))
      if (digest === undefined) continue
      const types = await typesOnce(path, digest)
      if (types !== undefined) images.push({ reference: `${image}:${tag}`, digest, types })
    }
  })
  return images
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

async function harborImages(client: RegistryClient, listed: ListedRegistry): Promise<ListedImage[]> {
  const projects = await named(client, '/api/v2.0/projects?public=true&page_size=100')
  const images: ListedImage[] = []
  await inParallel(workers, projects, async (project) => {
    const at = `/api/v2.0/projects/${encodeURIComponent(project)}/repositories`
    for (const path of (await orSkipped(named(client, `${at}?page_size=100`))) ?? []) {
      const image = listed.imageAt(path)
      if (image === undefined || images.length >= mostImages) continue
      // Names of several parts travel encoded twice, by Harbor's own description.
      const name = encodeURIComponent(encodeURIComponent(path.slice(project.length + 1)))
      const query = 'page_size=100&with_tag=true&with_label=true'
      for (const page of (await orSkipped(pages(client, `${at}/${name}/artifacts?${query}`))) ?? []) {
        if (!Artifacts.Check(page)) continue
        for (const { digest, tags, labels } of page) {
          const types = orHeadless((labels ?? []).map((label) => label.name))
          for (const { name: tag } of tags ?? []) images.push({ reference: `${image}:${tag}`, digest, types })
        }
      }
    }
  })
  return images
}

const named = async (client: RegistryClient, path: string): Promise<string[]> =>
  (await pages(client, path)).flatMap((page) => (Named.Check(page) ? page.map(({ name }) => name) : []))

/** Every page of a list, by the links that lead from each to the next. */
async function pages(client: RegistryClient, path: string): Promise<unknown[]> {
  const values: unknown[] = []
  const seen = new Set<string>()
  for (let next: string | undefined = path; next !== undefined && !seen.has(next);) {
    seen.add(next)
    const page: Awaited<ReturnType<RegistryClient['json']>> = await client.json(next)
    if (page !== undefined) values.push(page.value)
    next = page?.next
  }
  return values
}

/** One thing that is gone meanwhile, private or broken does not end the list; a registry that does not answer does. */
async function orSkipped<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof RegistryError && (error.failure === 'unreachable' || error.failure === 'busy')) throw error
    if (error instanceof Error && error.name !== 'AbortError') return undefined
    throw error
  }
}
