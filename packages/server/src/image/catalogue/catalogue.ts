import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import type { ImagePolicy } from '../access/allowed.ts'
import { RegistryError, type RegistryFailure } from '../registry/registry-error.ts'
import { listedRegistry } from './listed-registry.ts'
import { listImages, type ListedImage } from './listing.ts'

/** The last list of one registry's images. */
export interface RegistryCatalogue {
  /** Its entry in the configuration. */
  readonly registry: string
  readonly images: readonly ListedImage[]
  /** When it was last listed in full, in milliseconds since the epoch; absent: never. */
  readonly listedAt?: number
  /** Why the last listing failed. */
  readonly fault?: string
}

/** The images that registries list. A background task lists them; readers get the last lists at once. */
export interface Catalogue {
  registries(): readonly RegistryCatalogue[]
  /** Lists every registry now; one that fails keeps its last list. Callers share a listing that is under way. */
  refresh(): Promise<void>
  close(): Promise<void>
}

/** The longest time for one registry; after it the last list stays. Milliseconds. */
const patienceMilliseconds = 30 * 60_000

/**
 * Opens the catalogue with the last lists, and refreshes it at once and then every `refreshMinutes`.
 *
 * @param file has the last lists, so that a restarted server answers as before
 */
export async function openCatalogue({
  file,
  policy,
  refreshMinutes,
  log,
  now = Date.now,
}: {
  readonly file: string
  readonly policy: ImagePolicy
  readonly refreshMinutes: number
  readonly log: Pick<Logger, 'warn' | 'info'>
  readonly now?: () => number
}): Promise<Catalogue> {
  let catalogues = await lastCatalogues(file, policy)
  const closing = new AbortController()
  let round: Promise<void> | undefined

  async function refreshed(last: RegistryCatalogue): Promise<RegistryCatalogue> {
    const { registry } = last
    const late = AbortSignal.timeout(patienceMilliseconds)
    try {
      const images = await listImages(listedRegistry(registry, policy), {
        knownTypes: new Map(last.images.map(({ digest, types }) => [digest, types])),
        signal: AbortSignal.any([closing.signal, late]),
      })
      log.info({ registry, images: images.length }, 'registry listed')
      return { registry, images, listedAt: now() }
    } catch (error) {
      if (closing.signal.aborted) throw closing.signal.reason
      const fault = late.aborted
        ? `its listing took more than ${patienceMilliseconds / 60_000} minutes`
        : faultOf(error)
      const facts =
        error instanceof RegistryError
          ? { failure: error.message, hint: `${hints[error.failure]} The next try is in ${refreshMinutes} minutes.` }
          : { err: error }
      log.warn({ registry, ...facts }, 'registry cannot be listed, its last list stays')
      return { ...last, fault }
    }
  }

  async function refreshAll(): Promise<void> {
    await Promise.all(
      catalogues.map(async (last) => {
        const next = await refreshed(last)
        // Each list counts as soon as it is there: a slow registry delays no other.
        catalogues = catalogues.map((each) => (each.registry === next.registry ? next : each))
      }),
    )
    await writeCatalogues(file, catalogues)
  }

  const refresh = (): Promise<void> =>
    (round ??= refreshAll().finally(() => {
      round = undefined
    }))
  const inBackground = (): void => {
    refresh().catch((error: unknown) => {
      if (!closing.signal.aborted) log.warn({ err: error }, 'catalogue not refreshed')
    })
  }
  const timer = setInterval(inBackground, refreshMinutes * 60_000)
  timer.unref()
  inBackground()

  return {
    registries: () => catalogues,
    refresh,
    close: async () => {
      clearInterval(timer)
      closing.abort(new Error('the platform is stopping'))
      await round?.catch(() => undefined)
    },
  }
}

/** Why a registry could not be listed, in words for users. Pure. */
function faultOf(error: unknown): string {
  if (!(error instanceof RegistryError)) return 'its answers could not be understood'
  switch (error.failure) {
    case 'denied':
      return 'it does not list its images without credentials'
    case 'missing':
      return 'it does not list its images'
    case 'busy':
      return 'it refuses requests as too many'
    case 'unreachable':
      return 'it could not be reached'
    case 'untrusted':
    case 'invalid':
      return 'its answers could not be understood'
  }
}

/** What an operator can do about a registry that cannot be listed. */
const hints: Readonly<Record<RegistryFailure, string>> = {
  denied: 'Its images can be used all the same; only the list of images lacks them.',
  missing: 'Its images can be used all the same; only the list of images lacks them.',
  busy: 'It limits requests.',
  unreachable: 'Check the network, and the address in images.registries or images.aliases.',
  untrusted: 'Its images can be used all the same, without credentials.',
  invalid: 'Check that the address in images.registries is a container registry.',
}

/** The last lists of the configured registries. */
async function lastCatalogues(file: string, { registries }: ImagePolicy): Promise<readonly RegistryCatalogue[]> {
  const stored = new Map((await readStored(file)).map((each) => [each.registry, each]))
  return registries.map((registry) => stored.get(registry) ?? { registry, images: [] })
}

async function readStored(file: string): Promise<readonly RegistryCatalogue[]> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as readonly RegistryCatalogue[]
  } catch (error) {
    // Missing at first. A damaged file is replaced by the next listing.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function writeCatalogues(file: string, catalogues: readonly RegistryCatalogue[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const written = `${file}.${randomBytes(4).toString('hex')}`
  await writeFile(written, JSON.stringify(catalogues), { mode: 0o600 })
  await rename(written, file)
}
