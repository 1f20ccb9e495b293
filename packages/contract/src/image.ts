import Type, { type Static } from 'typebox'
import { Cause } from './job.ts'
import { Instant } from './instant.ts'

const Closed = { additionalProperties: false } as const

/** An image in a list. */
export const ImageSummary = Type.Object(
  {
    reference: Type.String({
      description: 'The reference that jobs use.',
      examples: ['localhost/astro/source-extractor:1'],
    }),
    digest: Type.String(),
    types: Type.Array(Type.String(), {
      description: 'Session types, from the labels of the image; headless without labels.',
      examples: [['headless', 'notebook']],
    }),
    here: Type.Boolean({
      description: "Whether the image is on the platform's disk, so that jobs start without a fetch.",
    }),
    sizeBytes: Type.Optional(Type.Integer({ description: "Compressed size; only for images on the platform's disk." })),
    loadedAt: Type.Optional(Instant),
  },
  { $id: 'ImageSummary' },
)
export type ImageSummary = Static<typeof ImageSummary>

/** A page of images, by reference. */
export const ImagePage = Type.Object(
  {
    images: Type.Array(Type.Unsafe<ImageSummary>(Type.Ref('ImageSummary'))),
    next: Type.Optional(Type.String({ description: 'The cursor of the next page.' })),
  },
  { $id: 'ImagePage' },
)
export type ImagePage = Static<typeof ImagePage>

/** Filters of `GET /api/v1/images`. */
export const ImageListQuery = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 512, description: 'References that contain this text.' })),
    type: Type.Optional(Type.String({ maxLength: 64, description: 'Images of this type.', examples: ['headless'] })),
    here: Type.Optional(
      Type.Boolean({ description: "true: only images on the platform's disk; false: only other images." }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 })),
    cursor: Type.Optional(Type.String({ maxLength: 1024 })),
  },
  Closed,
)
export type ImageListQuery = Static<typeof ImageListQuery>

const Words = Type.Array(Type.String())

/** Details of an image. */
export const ImageInfo = Type.Object(
  {
    reference: Type.String(),
    digest: Type.String({ description: 'Digest of the manifest or index that the tag points to now.' }),
    types: Words,
    here: Type.Boolean({
      description: "Whether the image is on the platform's disk, so that jobs start without a fetch.",
    }),
    os: Type.Optional(Type.String({ examples: ['linux'] })),
    architecture: Type.Optional(Type.String({ examples: ['amd64'] })),
    runsHere: Type.Boolean({ description: 'Whether the image runs on the processors of this platform.' }),
    sizeBytes: Type.Integer({ description: 'Compressed size of the layers and the configuration.' }),
    createdAt: Type.Optional(Type.String({ description: 'Build time, from the image itself.' })),
    entrypoint: Words,
    cmd: Words,
    env: Type.Array(Type.String(), { description: 'KEY=value' }),
    workingDir: Type.String(),
    labels: Type.Record(Type.String(), Type.String()),
    lastUsed: Type.Optional(
      Type.Object(
        { by: Type.String(), at: Instant },
        { description: 'The last job with this image: of the caller; for administrators, of any user.' },
      ),
    ),
  },
  { $id: 'ImageInfo' },
)
export type ImageInfo = Static<typeof ImageInfo>

/** Progress of a fetch that was requested before a job needs the image. */
export const ImagePull = Type.Object(
  {
    reference: Type.String(),
    state: Type.Enum(['waiting', 'pulling', 'unpacking', 'present', 'failed'], {
      description: 'present and failed are final.',
    }),
    bytes: Type.Optional(Type.Integer({ description: 'Bytes fetched so far.' })),
    totalBytes: Type.Optional(
      Type.Integer({ description: "Bytes to fetch, without layers that are on the platform's disk already." }),
    ),
    digest: Type.Optional(Type.String()),
    cause: Type.Optional(Cause),
  },
  { $id: 'ImagePull' },
)
export type ImagePull = Static<typeof ImagePull>

/** A registry that images may come from. */
export const Registry = Type.Object(
  {
    registry: Type.String({
      description: 'Host of the registry, as in image references.',
      examples: ['images.canfar.net'],
    }),
    login: Type.Optional(
      Type.Object(
        { username: Type.String(), since: Instant },
        { description: 'Your stored credentials for this registry.' },
      ),
    ),
    images: Type.Integer({ description: 'Number of images in the last listing.' }),
    listedAt: Type.Optional(Instant),
    fault: Type.Optional(
      Type.String({
        description: 'Why the last attempt to list the registry failed. The listing before that attempt stays.',
      }),
    ),
  },
  { $id: 'Registry' },
)
export type Registry = Static<typeof Registry>

/** The registries that images may come from. */
export const Registries = Type.Object(
  { registries: Type.Array(Type.Unsafe<Registry>(Type.Ref('Registry'))) },
  { $id: 'Registries' },
)
export type Registries = Static<typeof Registries>

/** Credentials to store for a registry. */
export const RegistryLogin = Type.Object(
  {
    // In `user:secret` the first colon ends the name (RFC 7617, section 2).
    username: Type.String({ minLength: 1, maxLength: 255, pattern: '^[^:\\u0000-\\u001f\\u007f]+$' }),
    secret: Type.String({
      minLength: 1,
      maxLength: 8192,
      pattern: '^[^\\u0000-\\u001f\\u007f]+$',
      writeOnly: true,
      description: 'A password or token. The platform stores it encrypted and never shows it again.',
    }),
    check: Type.Optional(
      Type.Boolean({ default: true, description: 'Whether to check the credentials at the registry first.' }),
    ),
  },
  { ...Closed, $id: 'RegistryLogin' },
)
export type RegistryLogin = Static<typeof RegistryLogin>

/** Result of storing credentials. */
export const RegistryLoginResult = Type.Object(
  {
    registry: Type.String(),
    username: Type.String(),
    checked: Type.Boolean({
      description: 'Whether the registry accepted the credentials; false also for a registry that needs none.',
    }),
  },
  { $id: 'RegistryLoginResult' },
)
export type RegistryLoginResult = Static<typeof RegistryLoginResult>
