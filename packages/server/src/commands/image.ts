import { join } from 'node:path'
import { pino } from 'pino'
import type { Config } from '../config.ts'
import type { LocalImages } from '../image/local-images.ts'
import { openLocalImages } from '../image/open-local-images.ts'
import { configAt, type Location } from './open-store.ts'
import { printTable } from './table.ts'

const openImages = (config: Config): Promise<LocalImages> =>
  openLocalImages({ folder: join(config.dataDir, 'images'), policy: config.images, log: pino({ level: 'silent' }) })

/** `image load`: prints the digest. */
export async function loadImage(archive: string, options: Location & { readonly as: string }): Promise<void> {
  const images = await openImages(await configAt(options))
  const interrupted = new AbortController()
  process.once('SIGINT', () => {
    interrupted.abort(new Error('interrupted; nothing was loaded'))
  })
  process.stdout.write(`${await images.load(archive, options.as, interrupted.signal)}\n`)
}

/** `image list` */
export async function listImages(options: Location & { readonly json?: true }): Promise<void> {
  const rows = await (await openImages(await configAt(options))).list()
  if (options.json) {
    process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`)
    return
  }
  printTable(
    ['IMAGE', 'DIGEST', 'MB', 'SINCE'],
    rows.map(({ reference, digest, sizeBytes, loadedAt }) => [
      reference,
      digest.slice(0, 19),
      (sizeBytes / 1e6).toFixed(1),
      new Date(loadedAt).toISOString().slice(0, 10),
    ]),
  )
}
