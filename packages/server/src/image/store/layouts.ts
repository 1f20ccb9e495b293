import { access, link, mkdir, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { readManifest, type SingleImage } from '../manifest.ts'
import { hexOf } from './records.ts'

/** The name of the one image in each of our layouts. */
export const layoutTag = 'image'

/**
 * Images as fetched or loaded: an OCI layout for each digest. A blob of several images is one file with several hard links,
 * one of them in a pool, where the next image finds it. So fetches need no lock: a link keeps the blob, and a blob of the
 * pool that no layout links may be removed at any time.
 */
export class Layouts {
  readonly #folder: string
  readonly #pool: string

  constructor(folder: string, pool: string) {
    this.#folder = folder
    this.#pool = pool
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await mkdir(this.#pool, { recursive: true, mode: 0o700 })
  }

  path(digest: string): string {
    return join(this.#folder, hexOf(digest))
  }

  async has(digest: string): Promise<boolean> {
    return exists(this.path(digest))
  }

  /** Creates an unfinished layout with the blobs that the pool has already. */
  async begin(layout: string, blobs: readonly string[]): Promise<void> {
    await mkdir(join(layout, 'blobs/sha256'), { recursive: true })
    for (const blob of new Set(blobs.map(hexOf))) {
      await link(join(this.#pool, blob), join(layout, 'blobs/sha256', blob)).catch(unless('ENOENT'))
    }
  }

  /** Puts a complete layout in its place by rename. A layout that is there already has the same content and stays. */
  async finish(layout: string, digest: string): Promise<void> {
    for (const blob of await readdir(join(layout, 'blobs/sha256'))) {
      await this.#share(join(layout, 'blobs/sha256', blob), join(this.#pool, blob))
    }
    await rename(layout, this.path(digest)).catch(unless('ENOTEMPTY', 'EEXIST'))
  }

  /** Makes a blob and the pool's blob one file: links it into the pool, or replaces it by the pool's. */
  async #share(own: string, pooled: string): Promise<void> {
    if ((await link(own, pooled).then(() => true, unless('EEXIST'))) === true) return
    const [a, b] = [await stat(own), await stat(pooled).catch(unless('ENOENT'))]
    if (b === undefined || a.ino === b.ino) return
    const taken = `${own}.taken`
    // If the pool's blob was swept meanwhile, the image keeps its own.
    if ((await link(pooled, taken).then(() => true, unless('ENOENT'))) === true) await rename(taken, own)
  }

  /** Bytes of all layouts on the disk; each blob counts once. */
  async diskBytes(): Promise<number> {
    let sum = 0
    for (const blob of await readdir(this.#pool)) {
      sum += ((await stat(join(this.#pool, blob)).catch(unless('ENOENT')))?.blocks ?? 0) * 512
    }
    return sum
  }

  /** Removes the blobs that no layout links. Safe during fetches: see the class. */
  async sweep(): Promise<void> {
    for (const blob of await readdir(this.#pool)) {
      const file = join(this.#pool, blob)
      const stats = await stat(file).catch(unless('ENOENT'))
      if (stats?.nlink === 1) await unlink(file).catch(unless('ENOENT'))
    }
  }
}

/** The one image in a layout: its digest, its manifest and the bytes of its configuration. @throws Error that says what is wrong. */
export async function readLayout(layout: string): Promise<{ digest: string; manifest: SingleImage; config: Buffer }> {
  const index = readManifest(await readFile(join(layout, 'index.json')))
  const digest = index.type === 'index' ? index.images[0]?.digest : undefined
  if (digest === undefined) throw new Error('its layout has no image')
  const blob = (of: string): Promise<Buffer> => readFile(join(layout, 'blobs/sha256', hexOf(of)))
  const manifest = readManifest(await blob(digest))
  if (manifest.type !== 'image') throw new Error('its layout has an index in the place of an image')
  return { digest, manifest, config: await blob(manifest.config.digest) }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
}

/** Turns these errors of the file system into `undefined`: another process was faster, or nothing was there. */
function unless(...codes: readonly string[]): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (!codes.includes(error.code ?? '')) throw error
    return undefined
  }
}
