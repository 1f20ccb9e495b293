import {
  fits,
  machineArchitecture,
  readConfig,
  readManifest,
  type ImageConfig,
  type Platform,
  type SingleImage,
} from './manifest.ts'

/** A single image with its configuration. */
interface ChosenImage {
  /** Of the single image. */
  readonly digest: string
  readonly manifest: SingleImage
  readonly config: ImageConfig
}

/** The image of a digest for this machine. */
export interface FoundImage extends ChosenImage {
  /** Whether it is built for this machine. If no image of an index is, the first one is described. */
  readonly fits: boolean
  /** All platforms that were seen. */
  readonly platforms: readonly (Platform | undefined)[]
}

/** Reads the content of a digest: a manifest, or a configuration. */
type ContentReader = (digest: string, what: 'manifest' | 'configuration') => Promise<Uint8Array>

/** Indexes within indexes: one for platforms, one for the names of an archive, and one to spare. */
const deepest = 3

/**
 * The image of a manifest or index that runs on this machine; without one, the first, for a description. An entry without a
 * platform is judged by its configuration. Entries for `unknown` are attestations, not images.
 *
 * @throws Error that says what is wrong with the image
 */
export async function chooseImage(digest: string, read: ContentReader): Promise<FoundImage> {
  const platforms: (Platform | undefined)[] = []
  let first: ChosenImage | undefined
  const search = async (
    at: string,
    platform: Platform | undefined,
    depth: number,
  ): Promise<ChosenImage | undefined> => {
    if (platform !== undefined && !fits(platform, machineArchitecture) && first !== undefined) {
      platforms.push(platform)
      return undefined
    }
    const manifest = readManifest(await read(at, 'manifest'))
    if (manifest.type === 'index') {
      if (depth >= deepest) throw new Error('its index lists indexes within indexes')
      // Entries that name a fitting platform come first: the others take requests.
      const isNamed = (entry: { platform?: Platform }): boolean =>
        entry.platform !== undefined && fits(entry.platform, machineArchitecture)
      const entries = manifest.images.filter((entry) => entry.platform?.os !== 'unknown')
      for (const entry of [...entries.filter(isNamed), ...entries.filter((each) => !isNamed(each))]) {
        const found = await search(entry.digest, entry.platform, depth + 1)
        if (found !== undefined) return found
      }
      return undefined
    }
    const config = readConfig(await read(manifest.config.digest, 'configuration'))
    const image = { digest: at, manifest, config }
    first ??= image
    const its = platform ?? config.platform
    platforms.push(its)
    return fits(its, machineArchitecture) ? image : undefined
  }
  const found = await search(digest, undefined, 0)
  const image = found ?? first
  if (image === undefined) throw new Error('its index lists no image')
  return { ...image, fits: found !== undefined, platforms }
}
