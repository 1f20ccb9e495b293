import { lstat, mkdir, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runTool } from '../../lib/tool.ts'
import { readInsideRoot } from './inside-root.ts'
import { layoutTag, readLayout } from './layouts.ts'
import type { PreparedImage } from './local-images.ts'
import { readConfig, type Platform } from '../manifest.ts'
import { hexOf } from './records.ts'

/** An unpacked image. */
export interface UnpackedImage {
  /** All but the reference of the request. */
  readonly image: Omit<PreparedImage, 'reference'>
  /** What it is made for; absent where it does not say. */
  readonly platform?: Platform
  /** What it takes on the disk. */
  readonly diskBytes: number
}

/** `image.json`: what there is to know of a root besides where it is. */
type Description = Omit<PreparedImage, 'reference' | 'rootfs'> & {
  readonly platform?: Platform
  /** Absent in roots of earlier versions. */
  readonly diskBytes?: number
}

/** How often at most an image's last use is written down, in milliseconds. */
const useRecordedEvery = 60_000

/** The unpacked roots, by digest. Each appears complete, by rename, with its `image.json` beside the root file system. */
export class RootFileSystems {
  readonly #folder: string
  /** What was read before; the folder is still looked at, since another process may have removed it. */
  readonly #known = new Map<string, UnpackedImage>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
  }

  path(digest: string): string {
    return join(this.#folder, hexOf(digest))
  }

  /** The unpacked image, marked as used now; undefined where it is not unpacked. Costs two calls to the kernel. */
  async find(digest: string, now = Date.now()): Promise<UnpackedImage | undefined> {
    const folder = this.path(digest)
    const stats = await stat(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (stats === undefined) {
      this.#known.delete(digest)
      return undefined
    }
    const image = this.#known.get(digest) ?? (await this.#read(folder))
    this.#known.set(digest, image)
    if (now - stats.mtimeMs > useRecordedEvery) await this.setUsedAt(digest, now)
    return image
  }

  /** When the image was last used, in milliseconds since the epoch, give or take a minute: the folder's own time says it. */
  async setUsedAt(digest: string, at: number): Promise<void> {
    await utimes(this.path(digest), at / 1000, at / 1000)
  }

  async #read(folder: string): Promise<UnpackedImage> {
    const { platform, diskBytes, ...image } = JSON.parse(
      await readFile(join(folder, 'image.json'), 'utf8'),
    ) as Description
    return {
      image: { ...image, rootfs: join(folder, 'rootfs') },
      diskBytes: diskBytes ?? (await bytesUnder(folder)),
      ...(platform && { platform }),
    }
  }

  /** What all roots take on the disk. */
  async diskBytes(): Promise<number> {
    let sum = 0
    for (const hex of await readdir(this.#folder)) {
      const image = this.#known.get(`sha256:${hex}`) ?? (await this.#read(join(this.#folder, hex)).catch(ifGone))
      if (image !== undefined) this.#known.set(`sha256:${hex}`, image)
      sum += image?.diskBytes ?? 0
    }
    return sum
  }

  /** Unpacks a layout under a digest. Another process that does the same at once is no harm: the first to finish counts. */
  async unpack(layout: string, digest: string, temporary: string, signal: AbortSignal): Promise<void> {
    const folder = join(temporary, 'unpacked')
    const rootfs = join(folder, 'rootfs')
    await mkdir(folder)
    // As an ordinary user, ids cannot be given and device nodes not be made: umoci then writes what it can.
    const rootless = process.geteuid?.() === 0 ? [] : ['--rootless']
    await runTool('umoci', ['raw', 'unpack', ...rootless, '--image', `${layout}:${layoutTag}`, rootfs], { signal })
    if (!(await lstat(rootfs)).isDirectory()) throw new Error('its root is not a folder')

    const { platform, entrypoint, cmd, env, workingDir } = readConfig((await readLayout(layout)).config)
    const [passwd = '', group = ''] = [
      await readInsideRoot(rootfs, 'etc/passwd'),
      await readInsideRoot(rootfs, 'etc/group'),
    ]
    const image: Description = {
      ...(platform && { platform }),
      diskBytes: await bytesUnder(folder),
      digest,
      entrypoint,
      cmd,
      env,
      workingDir,
      passwd,
      group,
    }
    await writeFile(join(folder, 'image.json'), JSON.stringify(image))
    // All of it must be on the disk before its name is, or a power cut could leave a root with empty files under a good name.
    await runTool('sync', ['--file-system', folder], { signal })
    await rename(folder, this.path(digest)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  }
}

async function bytesUnder(folder: string): Promise<number> {
  return Number.parseInt((await runTool('du', ['--summarize', '--block-size=1', '--', folder])).toString(), 10)
}

/** Another process removes roots too. */
function ifGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
