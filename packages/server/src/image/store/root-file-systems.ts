import { lstat, mkdir, readdir, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { runTool, ToolError } from '../../lib/tool.ts'
import { removeTree } from './temporaries.ts'
import { readInsideRoot } from './inside-root.ts'
import { layoutTag, readLayout } from './layouts.ts'
import type { PreparedImage } from './local-images.ts'
import { readConfig, type Platform } from '../manifest.ts'
import { plainLayout, readLayers } from './layers.ts'
import type { UnpackedSizes } from './tar-sizes.ts'
import { hexOf } from './records.ts'

/** An unpacked image. */
export interface UnpackedImage {
  /** All but the reference of the request. */
  readonly image: Omit<PreparedImage, 'reference'>
  /** The platform that it is built for; absent where its configuration does not say. */
  readonly platform?: Platform
  /** Bytes on the disk. */
  readonly diskBytes: number
}

/** `image.json`, the description beside a root file system. */
type Description = Omit<PreparedImage, 'reference' | 'rootfs'> & {
  readonly platform?: Platform
  /** Absent in files of earlier versions. */
  readonly diskBytes?: number
}

/** How often at most the last use of an image is recorded. Milliseconds. */
const useRecordedEvery = 60_000

/** Descriptions in memory. Each has the image's passwd and group files, up to 2 MiB. */
const mostDescriptions = 256

/** Room on the disk for images. */
export interface RoomForImages {
  /** Bytes of the whole disk. */
  diskBytes(): Promise<number>
  /** Takes room for bytes that are about to be written. @param sizes of the image that is unpacked @throws {ImageError} */
  take(bytes: number, sizes?: UnpackedSizes): Promise<Disposable>
}

/** The root file system store: unpacked images by digest. Each appears complete, by rename, with its `image.json`. */
export class RootFileSystems {
  readonly #folder: string
  /** Descriptions that were read before. The folder decides whether the image is there: another process may delete it. */
  readonly #known = new BoundedMap<string, UnpackedImage>(mostDescriptions)
  /** Bytes on the disk by folder name, of the folders that the last count found. */
  #diskBytes = new Map<string, number>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
  }

  path(digest: string): string {
    return join(this.#folder, hexOf(digest))
  }

  /** The unpacked image, marked as used now; undefined where it is not unpacked. Takes two system calls. */
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

  /** Records the last use of an image as the time of its folder. @param at milliseconds since the epoch */
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

  /** Bytes of all root file systems on the disk. */
  async diskBytes(): Promise<number> {
    const counted = new Map<string, number>()
    for (const hex of await readdir(this.#folder)) {
      const bytes = this.#diskBytes.get(hex) ?? (await this.#read(join(this.#folder, hex)).catch(ifGone))?.diskBytes
      if (bytes !== undefined) counted.set(hex, bytes)
    }
    this.#diskBytes = counted
    return counted.values().reduce((sum, bytes) => sum + bytes, 0)
  }

  /** Unpacks a layout under a digest. Of two processes that do it at once the first to finish counts. */
  async unpack(
    layout: string,
    digest: string,
    temporary: string,
    { signal, room }: { readonly signal: AbortSignal; readonly room: RoomForImages },
  ): Promise<void> {
    const layers = await readLayers(layout, await room.diskBytes(), signal)
    const bytes = layers.sizes.bytes + layers.plainBytes
    using _taken = await room.take(bytes, { ...layers.sizes, bytes })
    const plain = await plainLayout(layout, layers, join(temporary, 'plain'), signal)
    const folder = join(temporary, 'unpacked')
    const rootfs = join(folder, 'rootfs')
    await mkdir(folder)
    // An ordinary user cannot set owners or create device nodes: --rootless makes umoci skip both.
    const rootless = process.geteuid?.() === 0 ? [] : ['--rootless']
    await umoci(['raw', 'unpack', ...rootless, '--image', `${plain}:${layoutTag}`, rootfs], rootfs, signal)
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
    // The files reach the disk before the name does: a power cut must not leave empty files under a valid name.
    await runTool('sync', ['--file-system', folder], { signal })
    await rename(folder, this.path(digest)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  }
}

/** How often umoci is run where it panics. */
const umociTries = 3

/**
 * Runs umoci. Version 0.4 reads gzip ahead in another thread, and sometimes panics at the end of a layer ("d.nx != 0"). Nothing
 * is wrong with the image then.
 */
async function umoci(args: readonly string[], rootfs: string, signal: AbortSignal): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      await runTool('umoci', args, { signal })
      return
    } catch (error) {
      const isPanic =
        error instanceof ToolError && /^(?:panic|fatal error): .*\n[^]*^goroutine \d+ /m.test(error.stderr)
      if (!isPanic || tried === umociTries) throw error
      await removeTree(rootfs)
    }
  }
}

async function bytesUnder(folder: string): Promise<number> {
  return Number.parseInt((await runTool('du', ['--summarize', '--block-size=1', '--', folder])).toString(), 10)
}

/** Another process may delete a root file system meanwhile. */
function ifGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
