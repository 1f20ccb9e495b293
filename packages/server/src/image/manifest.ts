import { createHash } from 'node:crypto'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'

const Descriptor = Type.Object({
  mediaType: Type.Optional(Type.String()),
  digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }),
  size: Type.Integer({ minimum: 0 }),
})
/** The platform of an index's entry: registries also have entries without one, or with a part of one. */
const EntryPlatform = Type.Optional(
  Type.Union([
    Type.Object({ architecture: Type.Optional(Type.String()), os: Type.Optional(Type.String()) }),
    Type.Null(),
  ]),
)

const imageManifest = Compile(Type.Object({ config: Descriptor, layers: Type.Array(Descriptor) }))
const imageIndex = Compile(
  Type.Object({
    manifests: Type.Array(Type.Intersect([Descriptor, Type.Object({ platform: EntryPlatform })])),
  }),
)
const Words = Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()]))
const imageConfig = Compile(
  Type.Object({
    architecture: Type.Optional(Type.String()),
    os: Type.Optional(Type.String()),
    created: Type.Optional(Type.String()),
    config: Type.Optional(
      Type.Union([
        Type.Object({
          Entrypoint: Words,
          Cmd: Words,
          Env: Words,
          WorkingDir: Type.Optional(Type.String()),
          Labels: Type.Optional(Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()])),
        }),
        Type.Null(),
      ]),
    ),
  }),
)

/** Digest, bytes and kind of a blob. */
export type Descriptor = Static<typeof Descriptor>
/** The platform that an image is built for, in Go's words: `linux`, `amd64`. */
export interface Platform {
  readonly architecture: string
  readonly os: string
}

/** A manifest in OCI's or Docker's form: a single image, or an index of one image per platform. */
export type Manifest =
  | { readonly type: 'image'; readonly config: Descriptor; readonly layers: readonly Descriptor[] }
  | { readonly type: 'index'; readonly images: readonly (Descriptor & { readonly platform?: Platform })[] }

/** A single image, as opposed to an index. */
export type SingleImage = Extract<Manifest, { type: 'image' }>

/** What an image's configuration says about running it. */
export interface ImageConfig {
  /** Absent where the configuration does not say. */
  readonly platform?: Platform
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly env: readonly string[]
  readonly workingDir: string
  readonly labels: Readonly<Record<string, string>>
  /** When it was built, by its own configuration. */
  readonly createdAt?: string
}

/** The digest of bytes in registries and stores. */
export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }

/** This machine's architecture in the words of images. */
export const machineArchitecture = architectures[process.arch] ?? process.arch

/** Whether an image for this platform runs on a Linux machine of an architecture. Missing fields match. Pure. */
export function fits(platform: Platform | undefined, architecture: string): boolean {
  if (platform === undefined) return true
  const { os, architecture: its } = platform
  return (os === 'linux' || os === '') && (its === architecture || its === '')
}

/** Reads a manifest. Pure. @throws Error that says what is wrong with it. */
export function readManifest(bytes: Uint8Array): Manifest {
  const value = parseJson(bytes, 'manifest')
  if (imageIndex.Check(value))
    return {
      type: 'index',
      images: value.manifests.map(({ platform, ...entry }) => ({ ...entry, ...known(platform) })),
    }
  if (imageManifest.Check(value)) return { type: 'image', config: value.config, layers: value.layers }
  const version: unknown =
    typeof value === 'object' && value !== null && 'schemaVersion' in value ? value.schemaVersion : undefined
  if (version === 1) throw new Error('its manifest has schema 1, which Docker gave up in 2017')
  throw new Error('its manifest is neither an image nor an index of images')
}

/** The platform of an entry where it is stated in full: otherwise the configuration of the image says it. */
const known = (platform: Static<typeof EntryPlatform> | undefined): { platform?: Platform } =>
  platform?.os && platform.architecture ? { platform: { os: platform.os, architecture: platform.architecture } } : {}

/** Reads an image's configuration. Pure. @throws Error that says what is wrong with it. */
export function readConfig(bytes: Uint8Array): ImageConfig {
  const value = parseJson(bytes, 'configuration')
  if (!imageConfig.Check(value)) throw new Error('its configuration does not have the form of an image configuration')
  const { architecture, os, created, config } = value
  return {
    ...((architecture !== undefined || os !== undefined) && {
      platform: { architecture: architecture ?? '', os: os ?? '' },
    }),
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    env: config?.Env ?? [],
    workingDir: config?.WorkingDir ?? '',
    labels: config?.Labels ?? {},
    ...(created === undefined ? {} : { createdAt: created }),
  }
}

/** Bytes that the image's configuration and layers take as stored. Pure. */
export const storedBytes = (manifest: SingleImage): number =>
  manifest.layers.reduce((sum, { size }) => sum + size, manifest.config.size)

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch (error) {
    throw new Error(`its ${what} is not JSON`, { cause: error })
  }
}
