import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { printReference, requireReference, type ImageReference } from '../../job/image-reference.ts'
import { digestOf } from '../manifest.ts'

/** The record of one reference: its digest when it was last loaded or fetched. */
export interface ImageRecord {
  readonly reference: ImageReference
  readonly digest: string
  readonly sizeBytes: number
  /** Whether every user may see it: it was loaded by hand, or fetched without credentials. */
  readonly public: boolean
  /** The kinds of session that it is made for. */
  readonly types: readonly string[]
  /** Milliseconds since the epoch. */
  readonly loadedAt: number
}

/**
 * One small file per reference, replaced by rename. So processes that load and remove images at the same time need no lock,
 * and each read finds the last complete write.
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

  /** The file of a record. Its name is a hash, since references may be longer than file names. */
  #file(reference: ImageReference): string {
    return join(this.#folder, `${hexOf(digestOf(Buffer.from(printReference(reference))))}.json`)
  }
}

/** The hexadecimal part of a digest, for file names. Pure. */
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
