import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from 'pino'
import type { ImagePolicy } from '../access/allowed.ts'
import { RegistryError, type RegistryFailure } from '../registry/registry-error.ts'
import { listedRegistry } from './listed-registry.ts'
import { listImages, type ListedImage } from './listing.ts'

/** What one registry offers, as it was last told. */
export interface RegistryCatalogue {
  /** Its entry in the configuration. */
  readonly registry: string
  readonly images: readonly ListedImage[]
  /** When it was last listed in full, in milliseconds since the epoch; absent: never. */
  readonly listedAt?: number
  /** Why it could not be listed since. */
  readonly fault?: string
}

/** What the registries offer: asked for in the background, answered at once from what they said last. */
export interface Catalogue {
  registries(): readonly RegistryCatalogue[]
  /** Asks every registry now; those that fail keep their last list. Shares the round that is under way. */
  refresh(): Promise<void>
  close(): Promise<void>
}

/** Longest that one registry may take; its last list stands then. Milliseconds. */
const patienceMilliseconds = 30 * 60_000

/**
 * Opens the catalogue with what was written down last, and refreshes it at once and then every `refreshMinutes`.
 *
 * @param file where the last lists are kept, so that a server that was started again answers as before
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
  const kept = new Map((await readKept(file)).map((each) => [each.registry, each]))
  let catalogues: readonly RegistryCatalogue[] = policy.registries.map(
    (registry) => kept.get(registry) ?? { registry, images: [] },
  )
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
      log.info({ registry, images: images.length }, 'a registry was listed')
      return { registry, images, listedAt: now() }
    } catch (error) {
      if (closing.signal.aborted) throw closing.signal.reason
      const fault = late.aborted ? `it was not done after ${patienceMilliseconds / 60_000} minutes` : faultOf(error)
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
        // One after the other, as they come: a slow registry holds up no other.
        catalogues = catalogues.map((each) => (each.registry === next.registry ? next : each))
      }),
    )
    await keep(file, catalogues)
  }

  const refresh = (): Promise<void> =>
    (round ??= refreshAll().finally(() => {
      round = undefined
    }))
  const inBackground = (): void => {
    refresh().catch((error: unknown) => {
      if (!closing.signal.aborted) log.warn({ err: error }, 'the catalogue could not be refreshed')
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

/** Why a registry could not be listed, for its users to read. Pure. */
function faultOf(error: unknown): string {
  if (!(error instanceof RegistryError)) return 'its answers could not be understood'
  switch (error.failure) {
    case 'denied':
      return 'it does not list its images to everybody'
    case 'missing':
      return 'it does not list its images'
    case 'busy':
      return 'it has no time for questions'
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

async function readKept(file: string): Promise<readonly RegistryCatalogue[]> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as readonly RegistryCatalogue[]
  } catch (error) {
    // Missing at first; and whatever else it is, the registries will say it again.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function keep(file: string, catalogues: readonly RegistryCatalogue[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const written = `${file}.${randomBytes(4).toString('hex')}`
  await writeFile(written, JSON.stringify(catalogues), { mode: 0o600 })
  await rename(written, file)
}
