import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { digestOf, machineArchitecture } from '../manifest.ts'
import { tar, type TarEntry } from './tar.ts'

/** An image that a test builds. */
export interface BusyboxImage {
  /** File to write. */
  readonly archive: string
  readonly entrypoint?: readonly string[]
  /** Default: /bin/sh. */
  readonly cmd?: readonly string[]
  readonly env?: readonly string[]
  readonly workingDir?: string
  readonly labels?: Readonly<Record<string, string>>
  /** Default: this machine's. Several make an index with an image for each. */
  readonly architectures?: readonly string[]
  /** Whether an index names the platforms of its images; default true. */
  readonly platforms?: boolean
  /** Layers above the one with busybox, lowest first. */
  readonly layers?: readonly (readonly TarEntry[])[]
  /** Layers above those, as tar archives. */
  readonly archives?: readonly Buffer[]
  /** Whether busybox is in it; default true. Without it only `layers` are. */
  readonly busybox?: boolean
  /** Whether the last layer is a gzip file that breaks off; default false. */
  readonly brokenLayer?: boolean
  /** Whether the layers are compressed; default true. */
  readonly compressed?: boolean
  /** How they are compressed; zstd: in several frames with skippable ones; default gzip. */
  readonly compression?: 'gzip' | 'zstd' | 'zstd-frame'
  /** Media type of the layers; default: by their compression. */
  readonly layerType?: string
}

const layerType = 'application/vnd.oci.image.layer.v1.tar'

/** Two frames with a skippable one before each, as zstd:chunked and pzstd write. */
function zstdFrames(bytes: Buffer): Buffer {
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2])
  const half = bytes.length >> 1
  const [first, second] = [zstdCompressSync(bytes.subarray(0, half)), zstdCompressSync(bytes.subarray(half))]
  return Buffer.concat([skippable, first, skippable, second])
}

const oci = (kind: string): string => `application/vnd.oci.image.${kind}+json`

/** The layer with Debian's static busybox, a name in /bin for each of its applets, and accounts. */
function busyboxLayer(): TarEntry[] {
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).split('\n').filter(Boolean)
  return [
    ...['bin', 'etc', 'proc', 'sys', 'dev', 'root', 'var'].map((path) => ({
      path,
      type: 'directory' as const,
    })),
    { path: 'tmp', type: 'directory', mode: 0o1777 },
    { path: 'bin/busybox', mode: 0o755, content: readFileSync('/bin/busybox') },
    ...applets
      .filter((applet) => applet !== 'busybox')
      .map((applet) => ({ path: `bin/${applet}`, type: 'symlink' as const, target: 'busybox' })),
    { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' },
    { path: 'etc/group', content: 'root:x:0:\nnogroup:x:65534:\n' },
  ]
}

/** Writes an image as an OCI archive, without any tool; equal options give equal bytes. Returns the image's digest. */
export async function busyboxImage(wanted: BusyboxImage): Promise<string> {
  const blobs = new Map<string, Buffer>()
  const keep = (mediaType: string, bytes: Buffer) => {
    const digest = digestOf(bytes)
    blobs.set(digest, bytes)
    return { mediaType, digest, size: bytes.length }
  }
  const json = (mediaType: string, value: object) => keep(mediaType, Buffer.from(JSON.stringify(value)))

  const archives = [...(wanted.busybox === false ? [] : [busyboxLayer()]), ...(wanted.layers ?? [])]
    .map(tar)
    .concat(wanted.archives ?? [])
  const layers = archives.map((bytes, i) => {
    if (wanted.compressed === false) return keep(wanted.layerType ?? layerType, bytes)
    if (wanted.compression === 'zstd-frame')
      return keep(wanted.layerType ?? `${layerType}+zstd`, zstdCompressSync(bytes))
    if (wanted.compression === 'zstd') return keep(wanted.layerType ?? `${layerType}+zstd`, zstdFrames(bytes))
    const zipped = gzipSync(bytes, { level: 1 })
    const broken = wanted.brokenLayer === true && i === archives.length - 1
    return keep(wanted.layerType ?? `${layerType}+gzip`, broken ? zipped.subarray(0, zipped.length / 2) : zipped)
  })
  const images = (wanted.architectures ?? [machineArchitecture]).map((architecture) => {
    const config = json(oci('config.v1'), {
      architecture,
      os: 'linux',
      config: {
        Cmd: wanted.cmd ?? ['/bin/sh'],
        ...(wanted.entrypoint && { Entrypoint: wanted.entrypoint }),
        ...(wanted.env && { Env: wanted.env }),
        ...(wanted.workingDir && { WorkingDir: wanted.workingDir }),
        ...(wanted.labels && { Labels: wanted.labels }),
      },
      rootfs: { type: 'layers', diff_ids: archives.map(digestOf) },
    })
    const manifest = { schemaVersion: 2, mediaType: oci('manifest.v1'), config, layers }
    const named = wanted.platforms !== false && { platform: { os: 'linux', architecture } }
    return { ...json(oci('manifest.v1'), manifest), ...named }
  })
  const [only] = images
  const top =
    images.length === 1 && only
      ? { mediaType: only.mediaType, digest: only.digest, size: only.size }
      : json(oci('index.v1'), { schemaVersion: 2, mediaType: oci('index.v1'), manifests: images })

  const index = { schemaVersion: 2, manifests: [top] }
  const files: TarEntry[] = [
    { path: 'oci-layout', content: JSON.stringify({ imageLayoutVersion: '1.0.0' }) },
    { path: 'index.json', content: JSON.stringify(index) },
    ...[...blobs].map(([digest, content]) => ({ path: `blobs/${digest.replace(':', '/')}`, content })),
  ]
  await writeFile(wanted.archive, tar(files))
  return top.digest
}
