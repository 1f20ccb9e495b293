import Type, { type Static } from 'typebox'
import { Cause } from './job.ts'
import { Instant } from './instant.ts'

const Closed = { additionalProperties: false } as const

/** An image as a list shows it. */
export const ImageSummary = Type.Object(
  {
    reference: Type.String({ description: 'What a job calls it.', examples: ['localhost/astro/source-extractor:1'] }),
    digest: Type.String(),
    types: Type.Array(Type.String(), {
      description: 'What it is made for, by its labels: headless where it does not say.',
      examples: [['headless', 'notebook']],
    }),
    here: Type.Boolean({ description: "Whether it is on the platform's disk and starts without being fetched." }),
    sizeBytes: Type.Optional(Type.Integer({ description: 'As stored, compressed; of images that are here.' })),
    loadedAt: Type.Optional(Instant),
  },
  { $id: 'ImageSummary' },
)
export type ImageSummary = Static<typeof ImageSummary>

/** A page of images, by reference. */
export const ImagePage = Type.Object(
  {
    images: Type.Array(Type.Unsafe<ImageSummary>(Type.Ref('ImageSummary'))),
    next: Type.Optional(Type.String({ description: 'The cursor of the page that follows.' })),
  },
  { $id: 'ImagePage' },
)
export type ImagePage = Static<typeof ImagePage>

/** What `GET /api/v1/images` may be narrowed by. */
export const ImageListQuery = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 512, description: 'References that hold this.' })),
    type: Type.Optional(Type.String({ maxLength: 64, description: 'Images of this type.', examples: ['headless'] })),
    here: Type.Optional(Type.Boolean({ description: "Only those on the platform's disk, or only the others." })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 })),
    cursor: Type.Optional(Type.String({ maxLength: 1024 })),
  },
  Closed,
)
export type ImageListQuery = Static<typeof ImageListQuery>

const Words = Type.Array(Type.String())

/** All there is to know of an image. */
export const ImageInfo = Type.Object(
  {
    reference: Type.String(),
    digest: Type.String({ description: 'Of the manifest or index that the tag means now.' }),
    types: Words,
    here: Type.Boolean({ description: "Whether it is on the platform's disk and starts without being fetched." }),
    os: Type.Optional(Type.String({ examples: ['linux'] })),
    architecture: Type.Optional(Type.String({ examples: ['amd64'] })),
    runsHere: Type.Boolean({ description: "Whether it is made for this platform's kind of processor." }),
    sizeBytes: Type.Integer({ description: 'Of its layers and configuration as stored, compressed.' }),
    createdAt: Type.Optional(Type.String({ description: 'When it was built, as it says itself.' })),
    entrypoint: Words,
    cmd: Words,
    env: Type.Array(Type.String(), { description: 'KEY=value' }),
    workingDir: Type.String(),
    labels: Type.Record(Type.String(), Type.String()),
    lastUsed: Type.Optional(
      Type.Object(
        { by: Type.String(), at: Instant },
        { description: 'The last job that ran it: of your own; for administrators, of anybody.' },
      ),
    ),
  },
  { $id: 'ImageInfo' },
)
export type ImageInfo = Static<typeof ImageInfo>

/** How far the platform is with fetching an image beforehand. */
export const ImagePull = Type.Object(
  {
    reference: Type.String(),
    state: Type.Enum(['waiting', 'pulling', 'unpacking', 'present', 'failed'], {
      description: 'present and failed are ends.',
    }),
    bytes: Type.Optional(Type.Integer({ description: 'Fetched so far.' })),
    totalBytes: Type.Optional(Type.Integer({ description: 'To fetch, as far as it is not here already.' })),
    digest: Type.Optional(Type.String()),
    cause: Type.Optional(Cause),
  },
  { $id: 'ImagePull' },
)
export type ImagePull = Static<typeof ImagePull>

/** A registry that images may come from. */
export const Registry = Type.Object(
  {
    registry: Type.String({ description: 'Its host, as images name it.', examples: ['images.canfar.net'] }),
    login: Type.Optional(
      Type.Object(
        { username: Type.String(), since: Instant },
        { description: 'The credentials you have stored for it.' },
      ),
    ),
    images: Type.Integer({ description: 'How many it listed when it was last asked.' }),
    listedAt: Type.Optional(Instant),
    fault: Type.Optional(Type.String({ description: 'Why it could not be asked again since; the last list stands.' })),
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
    // A colon ends the name where both travel together (RFC 7617, section 2).
    username: Type.String({ minLength: 1, maxLength: 255, pattern: '^[^:\\u0000-\\u001f\\u007f]+$' }),
    secret: Type.String({
      minLength: 1,
      maxLength: 8192,
      pattern: '^[^\\u0000-\\u001f\\u007f]+$',
      writeOnly: true,
      description: 'A password or token. It is kept encrypted and never shown again.',
    }),
    check: Type.Optional(Type.Boolean({ default: true, description: 'Whether to try them at the registry first.' })),
  },
  { ...Closed, $id: 'RegistryLogin' },
)
export type RegistryLogin = Static<typeof RegistryLogin>

/** What came of storing credentials. */
export const RegistryLoginResult = Type.Object(
  {
    registry: Type.String(),
    username: Type.String(),
    checked: Type.Boolean({
      description: 'Whether the registry has accepted them; false also where it asks for none.',
    }),
  },
  { $id: 'RegistryLoginResult' },
)
export type RegistryLoginResult = Static<typeof RegistryLoginResult>
