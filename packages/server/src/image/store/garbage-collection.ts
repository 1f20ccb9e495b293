import { readdir, readFile, readlink, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isLocal, printReference, type ImageReference } from '../../job/image-reference.ts'
import { hexOf, type ImageRecord, type ImageRecords } from './records.ts'
import type { Layouts } from './layouts.ts'
import type { RootFileSystems } from './root-file-systems.ts'
import { removeTree, type Temporaries } from './temporaries.ts'

/** A root that was used this short ago may be about to be mounted, though no mount shows it yet. Milliseconds. */
const justUsed = 10 * 60_000
/** How long an image that no reference means any more is kept for jobs that were submitted before. Milliseconds. */
const keptForQueuedJobs = 7 * 24 * 3_600_000

/** What is known of a digest when it is judged. */
export interface Candidate {
  /** Name of its folders, the digest's hexadecimal part. */
  readonly hex: string
  /** References that mean it. */
  readonly references: readonly ImageReference[]
  /** Whether a container is mounted on its root. */
  readonly mounted: boolean
  /** Whether a job that was placed, or is about to run again, is of it. */
  readonly needed: boolean
  /** Milliseconds since the epoch. */
  readonly usedAt: number
}

/** Whether nobody needs an image any more. Pure. */
export const isGarbage = ({ references, mounted, needed, usedAt }: Candidate, now: number): boolean =>
  references.length === 0 && !mounted && !needed && now - usedAt > keptForQueuedJobs

/** The image to give up when the disk is to hold less: fetched, so that it can be fetched again, and longest unused. Pure. */
export function leastNeeded(candidates: readonly Candidate[], now: number): Candidate | undefined {
  return candidates
    .filter(
      ({ references, mounted, needed, usedAt }) =>
        !mounted && !needed && now - usedAt > justUsed && !references.some(isLocal),
    )
    .sort((a, b) => a.usedAt - b.usedAt)[0]
}

/** The time that makes an image garbage as soon as it can no longer be about to be mounted. Pure. */
export const usedAtWhenRemoved = (now: number): number => now - keptForQueuedJobs + justUsed

/** The parts of the store that are cleaned together. */
export interface Storage {
  readonly folder: string
  readonly records: ImageRecords
  readonly layouts: Layouts
  readonly roots: RootFileSystems
  readonly temporaries: Temporaries
}

/** The images of jobs: by what they were submitted with, and by digest where that is known already. */
export type ImagesOfJobs = readonly { readonly image: string; readonly digest?: string | undefined }[]

/** What is to be deleted. */
export interface Cleaning {
  readonly now: number
  /** Bytes on the disk above which what is longest unused goes too. Default: no limit. */
  readonly limitBytes?: number | undefined
  /** Of jobs that were placed, or have run and will again. */
  readonly jobs: ImagesOfJobs
}

/** What was deleted, and what is left. */
export interface Cleaned {
  /** Names of folders. */
  readonly deleted: readonly string[]
  /** Bytes on the disk, where a limit is set. */
  readonly bytesUsed?: number
}

/** Deletes what nobody needs any more and, where a limit is set and exceeded, what is longest unused. */
export async function collectGarbage(storage: Storage, { now, limitBytes, jobs }: Cleaning): Promise<Cleaned> {
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

/** What the store takes on the disk. */
export const bytesUsed = async ({ layouts, roots }: Storage): Promise<number> =>
  (await layouts.diskBytes()) + (await roots.diskBytes())

async function lastUse(folder: string, hex: string, now: number): Promise<number> {
  for (const part of ['roots', 'layouts']) {
    const stats = await stat(join(folder, part, hex)).catch(ignoreMissing)
    if (stats) return stats.mtimeMs
  }
  return now
}

/** Out of sight by rename first: a half deleted root must never be found under a good name. */
async function deleteImage({ folder, temporaries }: Storage, hex: string): Promise<void> {
  await temporaries.use(async (temporary) => {
    for (const part of ['roots', 'layouts']) {
      await rename(join(folder, part, hex), join(temporary, part)).catch(ignoreMissing)
    }
    await removeTree(temporary)
  })
}

/** The mounts of every mount namespace with a process in it that we may look at: supervisors keep theirs private. */
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

/** Processes end while they are looked at, and those of other users are no business of an ordinary user. */
function ignoreUnreadable(error: NodeJS.ErrnoException): undefined {
  if (!['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'EINVAL'].includes(error.code ?? '')) throw error
}
