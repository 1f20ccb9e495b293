import { join } from 'node:path'
import type { Command } from 'commander'
import { pino } from 'pino'
import type { Config } from '../configuration/config.ts'
import type { ImageDescription, LocalImages } from '../image/store/local-images.ts'
import { InvalidRequest } from '../job/invalid.ts'
import { parseReference, printReference, type ImageReference } from '../job/image-reference.ts'
import { MachineImages } from '../image/machine-images.ts'
import type { ImageUse, Store } from '../store/store.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { printTable } from './output/table.ts'

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
    .alias('ls')
    .description('list the images on this machine')
    .option('--json', 'as JSON')
    .action(listImages)
  located(image.command('info <reference>'))
    .description('what an image on this machine is made of, and who ran it last')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  science-platform image info localhost/astro/source-extractor:1 --data DIR')
    .action(imageInfo)
  located(image.command('rm <reference>'))
    .description('forget an image; what running jobs need stays until they have ended')
    .addHelpText('after', '\nExample:\n  science-platform image rm localhost/astro/source-extractor:1 --data DIR')
    .action(removeImage)
}

/** No limit is given, so that nothing goes but what nobody needs: making room is for the server. */
const openImages = (config: Config, store: Pick<Store, 'imagesInUse'>): Promise<LocalImages> =>
  MachineImages.open({
    folder: join(config.dataDir, 'images'),
    policy: config.images,
    log: pino({ level: 'silent' }),
    ofJobs: () => store.imagesInUse(),
  })

/** Parses a reference of the command line. @throws {InvalidRequest} */
function referenceOf(text: string): ImageReference {
  const reference = parseReference(text)
  if ('fault' in reference) throw new InvalidRequest('reference', reference.fault, reference.hint)
  return reference
}

/** `image load`: prints the digest. */
async function loadImage(archive: string, options: Location & { readonly as: string }): Promise<void> {
  const reference = referenceOf(options.as)
  const interrupted = new AbortController()
  process.once('SIGINT', () => {
    interrupted.abort(new Error('interrupted; nothing was loaded'))
  })
  await changeStore(options, { action: 'image load', subject: options.as }, async (store, config) => {
    const images = await openImages(config, store)
    process.stdout.write(`${await images.load(archive, reference, interrupted.signal)}\n`)
  })
}

/** `image list` */
async function listImages(options: Location & { readonly json?: true }): Promise<void> {
  const rows = await withStore(options, async (store, config) => (await openImages(config, store)).list())
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

/** `image info`: asks no registry, for who administers the machine may know of all that is on it. */
async function imageInfo(reference: string, options: Location & { readonly json?: true }): Promise<void> {
  const asked = referenceOf(reference)
  const { image, lastUse } = await withStore(options, async (store, config) => {
    const [lastUse] = await store.imageUses({ image: printReference(asked) })
    return { image: await (await openImages(config, store)).describeStored(asked), lastUse }
  })
  if (options.json) process.stdout.write(`${JSON.stringify({ reference, ...image, lastUse }, undefined, 2)}\n`)
  else printTable(['', ''], infoRows(reference, image, lastUse))
}

function infoRows(reference: string, image: ImageDescription, lastUse: ImageUse | undefined): string[][] {
  const { digest, platform, sizeBytes, createdAt, entrypoint, cmd, workingDir, env, labels } = image
  return [
    ['image', reference],
    ['digest', digest],
    ['made for', platform === undefined ? 'it does not say' : `${platform.os}/${platform.architecture}`],
    ['size', `${(sizeBytes / 1e6).toFixed(1)} MB, compressed`],
    ['built', createdAt ?? 'it does not say'],
    ['last run', lastUse === undefined ? 'by no job that is known' : `${instant(lastUse.at)} by ${lastUse.account}`],
    ['entry point', JSON.stringify(entrypoint)],
    ['command', JSON.stringify(cmd)],
    ['folder', workingDir],
    ...env.map((line) => ['variable', JSON.stringify(line)]),
    ...Object.entries(labels).map((label) => ['label', JSON.stringify(label.join('='))]),
  ]
}

const instant = (at: number): string => new Date(at).toISOString()

/** `image rm` */
async function removeImage(reference: string, options: Location): Promise<void> {
  const asked = referenceOf(reference)
  await changeStore(options, { action: 'image rm', subject: reference }, async (store, config) => {
    await (await openImages(config, store)).remove(asked)
  })
}
