import { join } from 'node:path'
import type { Command } from 'commander'
import { pino } from 'pino'
import type { Config } from '../config.ts'
import type { LocalImages } from '../image/local-images.ts'
import { openLocalImages } from '../image/open-local-images.ts'
import { located } from './located.ts'
import { changeStore, configAt, type Location } from './open-store.ts'
import { printTable } from './table.ts'

/** Defines the commands under `image`. */
export function define(image: Command): void {
  located(image.command('load <archive>'))
    .description('put an OCI or docker archive into the local store')
    .requiredOption('--as <reference>', 'what jobs call it: localhost/NAME:TAG')
    .addHelpText(
      'after',
      '\nExample:\n  science-platform image load image.tar --as localhost/astro/source-extractor:1 --data DIR',
    )
    .action(loadImage)
  located(image.command('list'))
    .description('list the images on this machine')
    .option('--json', 'as JSON')
    .action(listImages)
}

const openImages = (config: Config): Promise<LocalImages> =>
  openLocalImages({ folder: join(config.dataDir, 'images'), policy: config.images, log: pino({ level: 'silent' }) })

/** `image load`: prints the digest. */
async function loadImage(archive: string, options: Location & { readonly as: string }): Promise<void> {
  const interrupted = new AbortController()
  process.once('SIGINT', () => {
    interrupted.abort(new Error('interrupted; nothing was loaded'))
  })
  await changeStore(options, { action: 'image load', subject: options.as }, async (_store, config) => {
    const images = await openImages(config)
    process.stdout.write(`${await images.load(archive, options.as, interrupted.signal)}\n`)
  })
}

/** `image list` */
async function listImages(options: Location & { readonly json?: true }): Promise<void> {
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
