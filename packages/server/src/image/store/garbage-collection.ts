import { readdir, readFile, readlink, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isLocal, printReference, type ImageReference } from '../../job/image-reference.ts'
import { hexOf, type ImageRecord, type ImageRecords } from './records.ts'
import type { Layouts } from './layouts.ts'
import type { RootFileSystems } from './root-file-systems.ts'
import { removeTree, type Temporaries } from './temporaries.ts'

/** After a use this recent a job may be about to mount the image, although no mount shows it yet. Milliseconds. */
const recentMilliseconds = 10 * 60_000
/** How long an image without a name stays after its last use, for jobs that were submitted before. Milliseconds. */
const unnamedMilliseconds = 7 * 24 * 3_600_000

/** An image on the disk, as garbage collection sees it. */
export interface Candidate {
  /** Name of its folders: the hexadecimal part of the digest. */
  readonly hex: string
  /** Its names. */
  readonly references: readonly ImageReference[]
  /** Whether a container mounts its root file system. */
  readonly mounted: boolean
  /** Whether a job that was placed, or that will run again, uses it. */
  readonly needed: boolean
  /** The last use. Milliseconds since the epoch. */
  readonly usedAt: number
}

/** Whether an image has no name and no use any more. Pure. */
export const isGarbage = ({ references, mounted, needed, usedAt }: Candidate, now: number): boolean =>
  references.length === 0 && !mounted && !needed && now - usedAt > unnamedMilliseconds

/** The image to delete above the limit: the least recently used one that can be fetched again. Pure. */
export function leastNeeded(candidates: readonly Candidate[], now: number): Candidate | undefined {
  return candidates
    .filter(
      ({ references, mounted, needed, usedAt }) =>
        !mounted && !needed && now - usedAt > recentMilliseconds && !references.some(isLocal),
    )
    .sort((a, b) => a.usedAt - b.usedAt)[0]
}

/** The time of use that makes an unnamed image garbage ten minutes from now. Pure. */
export const usedAtWhenRemoved = (now: number): number => now - unnamedMilliseconds + recentMilliseconds

/** The parts of the store that garbage collection works on. */
export interface Storage {
  readonly folder: string
  readonly records: ImageRecords
  readonly layouts: Layouts
  readonly roots: RootFileSystems
  readonly temporaries: Temporaries
}

/** The images of jobs: by the text of their references, and by digest once that is known. */
export type ImagesOfJobs = readonly { readonly image: string; readonly digest?: string | undefined }[]

/** Settings of a collection. */
export interface CollectionOptions {
  readonly now: number
  /** Bytes on the disk above which the least recently used images are deleted, too. @defaultValue no limit */
  readonly limitBytes?: number | undefined
  /** Of jobs that were placed, or that have run and will run again. */
  readonly jobs: ImagesOfJobs
}

/** What a collection deleted, and what is left. */
export interface Collected {
  /** Names of folders. */
  readonly deleted: readonly string[]
  /** Bytes on the disk; present with a limit. */
  readonly bytesUsed?: number
}

/** Deletes garbage and, above a limit, the least recently used images. */
export async function collectGarbage(
  storage: Storage,
  { now, limitBytes, jobs }: CollectionOptions,
): Promise<Collected> {
  const candidates = await findCandidates(storage, jobs, now)
  const deleted = candidates.filter((candidate) => isGarbage(candidate, now))
  for (const { hex } of deleted) await deleteImage(storage, hex)
  if (deleted.length > 0) await storage.layouts.sweep()
  if (limitBytes === undefined) return { deleted: deleted.map(({ hex }) => hex) }
  let left = candidates.filter((candidate) => !deleted.includes(candidate))
  for (let bytes = await bytesUsed(storage); ; bytes = await bytesUsed(storage)) {
    const next = bytes > limitBytes ? leastNeeded(left, now) : undefined
    if (next === undefined) return { deleted: deleted.map(({ hex }) => hex), bytesUsed: bytes }
    for (const reference of next.references) await storage.records.remove(reference)
    await deleteImage(storage, next.hex)
    await storage.layouts.sweep()
    deleted.push(next)
    left = left.filter((candidate) => candidate !== next)
  }
}

async function findCandidates(
  { folder, records }: Storage,
  jobs: ImagesOfJobs,
  now: number,
): Promise<readonly Candidate[]> {
  const references = Map.groupBy(await records.list(), ({ digest }: ImageRecord) => hexOf(digest))
  const hexes = new Set([...(await readdir(join(folder, 'roots'))), ...(await readdir(join(folder, 'layouts')))])
  const mounts = hexes.size === 0 ? '' : await allMounts()
  const [names, digests] = [
    new Set(jobs.map(({ image }) => image)),
    new Set(jobs.map(({ digest = '' }) => hexOf(digest))),
  ]
  return Promise.all(
    [...hexes].map(async (hex) => {
      const known = (references.get(hex) ?? []).map(({ reference }) => reference)
      return {
        hex,
        references: known,
        mounted: mounts.includes(hex),
        needed: digests.has(hex) || known.some((reference) => names.has(printReference(reference))),
        usedAt: await lastUse(folder, hex, now),
      }
    }),
  )
}

/** Bytes of all images on the disk. */
export const bytesUsed = async ({ layouts, roots }: Storage): Promise<number> =>
  (await layouts.diskBytes()) + (await roots.diskBytes())

async function lastUse(folder: string, hex: string, now: number): Promise<number> {
  for (const part of ['roots', 'layouts']) {
    const stats = await stat(join(folder, part, hex)).catch(ignoreMissing)
    if (stats) return stats.mtimeMs
  }
  return now
}

/** Renames the image out of its place first: a partly deleted root file system must not have a valid name. */
async function deleteImage({ folder, temporaries }: Storage, hex: string): Promise<void> {
  await temporaries.use(async (temporary) => {
    for (const part of ['roots', 'layouts']) {
      await rename(join(folder, part, hex), join(temporary, part)).catch(ignoreMissing)
    }
    await removeTree(temporary)
  })
}

/** The mounts of all mount namespaces whose processes this one may inspect: supervisors have namespaces of their own. */
async function allMounts(): Promise<string> {
  const byNamespace = new Map<string, string>()
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const namespace = await readlink(`/proc/${pid}/ns/mnt`).catch(ignoreUnreadable)
    if (namespace === undefined || byNamespace.has(namespace)) continue
    byNamespace.set(namespace, (await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(ignoreUnreadable)) ?? '')
  }
  return [...byNamespace.values()].join('')
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** Processes may end meanwhile, and an ordinary user may not inspect those of other users. */
function ignoreUnreadable(error: NodeJS.ErrnoException): undefined {
  if (!['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EINVAL'].includes(error.code ?? '')) throw error
}
