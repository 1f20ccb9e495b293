import { createReadStream, createWriteStream } from 'node:fs'
import { createHash } from 'node:crypto'
import { link, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform, Writable, type Duplex, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { digestOf, type SingleImage } from '../manifest.ts'
import { layoutTag, readLayout } from './layouts.ts'
import { hexOf } from './records.ts'
import { TarSizes, type UnpackedSizes } from './tar-sizes.ts'

/**
 * How the bytes of a layer are compressed, whatever its media type says, the outermost first. skopeo 1.9 compresses zstd layers
 * that begin with a skippable frame once more.
 */
type Compressions = readonly ('gzip' | 'zstd')[]

/** A layer that was read once. */
interface ReadLayer {
  readonly digest: string
  readonly compressions: Compressions
  /** Whether umoci unpacks it as it is. */
  readonly isKnown: boolean
}

/** The layers of a layout, and what they take when they are unpacked. */
export interface Layers {
  readonly layers: readonly ReadLayer[]
  readonly sizes: UnpackedSizes
  /** Bytes that {@link plainLayout} writes. */
  readonly plainBytes: number
}

const plainType = 'application/vnd.oci.image.layer.v1.tar'
/** The media types that umoci 0.4 unpacks, and how their bytes must be compressed. */
const knownTypes: Readonly<Record<string, string>> = {
  [plainType]: '',
  [`${plainType}+gzip`]: 'gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar': '',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip': 'gzip',
}
/** Bytes in one step of decompression: fewer steps keep the event loop free. */
const chunkSize = 256 * 1024

const blobOf = (layout: string, digest: string): string => join(layout, 'blobs/sha256', hexOf(digest))

/**
 * Reads all layers of a layout. Reading ends early once they take more than `mostBytes`: such an image does not fit, whatever
 * follows.
 */
export async function readLayers(layout: string, mostBytes: number, signal: AbortSignal): Promise<Layers> {
  const { manifest } = await readLayout(layout)
  const layers: ReadLayer[] = []
  let [bytes, copied] = [0, 0]
  let largest: UnpackedSizes['largest']
  for (const { digest, mediaType } of manifest.layers) {
    const compressions = await compressionsOf(blobOf(layout, digest))
    const isKnown = mediaType !== undefined && knownTypes[mediaType] === compressions.join(' ')
    layers.push({ digest, compressions, isKnown })
    const { sizes, length } = await measure(blobOf(layout, digest), compressions, mostBytes - bytes, signal)
    bytes += sizes.bytes
    if (!isKnown) copied += length
    if (sizes.largest !== undefined && sizes.largest.bytes > (largest?.bytes ?? -1)) largest = sizes.largest
    if (bytes > mostBytes) break
  }
  return { layers, sizes: { bytes, largest }, plainBytes: copied }
}

/**
 * A layout that umoci unpacks: the layout itself, or a copy in `folder` in which the layers that it does not know, such as
 * zstd's, are plain tar archives. umoci checks their digests against the configuration of the image.
 */
export async function plainLayout(
  layout: string,
  { layers }: Layers,
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  if (layers.every(({ isKnown }) => isKnown)) return layout
  const { digest, manifest } = await readLayout(layout)
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
  const own: SingleImage['layers'][number][] = []
  for (const [i, { compressions, isKnown, digest: from }] of layers.entries()) {
    const known = manifest.layers[i]
    if (isKnown && known !== undefined) {
      await link(blobOf(layout, from), blobOf(folder, from)).catch(ifThere)
      own.push(known)
      continue
    }
    const file = join(folder, 'plain')
    const hash = createHash('sha256')
    let size = 0
    const hashed = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk)
        size += chunk.length
        done(null, chunk)
      },
    })
    await pipeline([...plainBytes(blobOf(layout, from), compressions), hashed, createWriteStream(file)], { signal })
    const plain = `sha256:${hash.digest('hex')}`
    await rename(file, blobOf(folder, plain))
    own.push({ mediaType: plainType, digest: plain, size })
  }
  await link(blobOf(layout, manifest.config.digest), blobOf(folder, manifest.config.digest)).catch(ifThere)
  const before = JSON.parse((await readFile(blobOf(layout, digest))).toString()) as object
  const bytes = Buffer.from(JSON.stringify({ ...before, layers: own }))
  await writeFile(blobOf(folder, digestOf(bytes)), bytes)
  await link(join(layout, 'oci-layout'), join(folder, 'oci-layout'))
  const entry = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: { 'org.opencontainers.image.ref.name': layoutTag },
  }
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  return folder
}

/** Compressions around each other at most. */
const mostCompressions = 4

async function compressionsOf(file: string): Promise<Compressions> {
  const found: ('gzip' | 'zstd')[] = []
  for (;;) {
    const next = compressionOf(await firstBytes(plainBytes(file, found)))
    if (next === undefined) return found
    found.push(next)
    if (found.length > mostCompressions) throw new Error('a layer is compressed again and again')
  }
}

/** By the first bytes: gzip (RFC 1952), zstd or one of its skippable frames (RFC 8878), or neither. Pure. */
export function compressionOf(head: Buffer): 'gzip' | 'zstd' | undefined {
  if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) return 'gzip'
  if (head.length < 4) return undefined
  const magic = head.readUInt32LE(0)
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : undefined
}

/** The first four bytes, or fewer where there are no more. What cannot be decompressed has none: reading it says why. */
async function firstBytes(streams: [Readable, ...Duplex[]]): Promise<Buffer> {
  let head = Buffer.alloc(0)
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      head = Buffer.concat([head, chunk.subarray(0, 4)])
      done(head.length >= 4 ? new Enough() : null)
    },
  })
  await pipeline([...streams, sink]).catch(() => undefined)
  return head
}

/** The streams that give the plain bytes of a layer, for {@link pipeline}, which closes all of them. */
function plainBytes(file: string, compressions: Compressions): [Readable, ...Duplex[]] {
  const source = createReadStream(file, { highWaterMark: chunkSize })
  return [
    source,
    ...compressions.map((each) =>
      each === 'gzip' ? createGunzip({ chunkSize }) : createZstdDecompress({ chunkSize }),
    ),
  ]
}

/** Ends the reading of a layer of which enough is known. */
class Enough extends Error {}

async function measure(
  file: string,
  compressions: Compressions,
  mostBytes: number,
  signal: AbortSignal,
): Promise<{ readonly sizes: UnpackedSizes; readonly length: number }> {
  const tar = new TarSizes()
  let length = 0
  const count = new Writable({
    write(chunk: Buffer, _encoding, done) {
      length += chunk.length
      tar.push(chunk)
      done(tar.sizes.bytes > mostBytes ? new Enough() : null)
    },
  })
  try {
    await pipeline([...plainBytes(file, compressions), count], { signal })
  } catch (error) {
    if (!(error instanceof Enough)) throw readable(error)
  }
  return { sizes: tar.sizes, length }
}

/** Errors of zlib have codes, as those of the file system have; they are faults of the image. */
function readable(error: unknown): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException
  return /^(Z_|ZSTD_|ERR_ZLIB)/i.test(code) ? new Error(`a layer could not be decompressed: ${message}`) : error
}

function ifThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
