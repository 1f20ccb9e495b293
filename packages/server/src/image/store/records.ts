import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { printReference, requireReference, type ImageReference } from '../../job/image-reference.ts'
import { digestOf } from '../manifest.ts'

/** What the store knows of one reference: the digest it had when it was last loaded or fetched. */
export interface ImageRecord {
  readonly reference: ImageReference
  readonly digest: string
  readonly sizeBytes: number
  /** Whether anybody may know of it: it was loaded by hand, or fetched without credentials. */
  readonly public: boolean
  /** What it is made for. */
  readonly types: readonly string[]
  /** Milliseconds since the epoch. */
  readonly loadedAt: number
}

/**
 * One small file per reference, replaced by rename: processes that load and remove images at once need no lock, and
 * what one of them wrote is what the next read of any other finds.
 */
export class ImageRecords {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
  }

  async find(reference: ImageReference): Promise<ImageRecord | undefined> {
    return readRecord(this.#file(reference))
  }

  /** @param temporary a private folder on the same file system */
  async write(record: ImageRecord, temporary: string): Promise<void> {
    const file = join(temporary, `record-${randomBytes(4).toString('hex')}`)
    await writeFile(file, JSON.stringify({ ...record, reference: printReference(record.reference) }), { flush: true })
    await rename(file, this.#file(record.reference))
  }

  async remove(reference: ImageReference): Promise<void> {
    await rm(this.#file(reference), { force: true })
  }

  /** All records, sorted by reference. */
  async list(): Promise<readonly ImageRecord[]> {
    const names = await readdir(this.#folder)
    const records = await Promise.all(names.map((name) => readRecord(join(this.#folder, name))))
    return records
      .filter((record) => record !== undefined)
      .map((record) => ({ record, text: printReference(record.reference) }))
      .sort((a, b) => (a.text < b.text ? -1 : 1))
      .map(({ record }) => record)
  }

  /** References may be longer than a file name: the name is the digest of the reference. */
  #file(reference: ImageReference): string {
    return join(this.#folder, `${hexOf(digestOf(Buffer.from(printReference(reference))))}.json`)
  }
}

/** The part of a digest that serves as a file name. Pure. */
export const hexOf = (digest: string): string => digest.slice(digest.indexOf(':') + 1)

async function readRecord(file: string): Promise<ImageRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as Omit<ImageRecord, 'reference'> & { reference: string }
    return { ...record, reference: requireReference(record.reference) }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Error(`${file} cannot be read; remove it and load or fetch the image again`, { cause: error })
  }
}
