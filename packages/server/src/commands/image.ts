import { join } from 'node:path'
import type { Command } from 'commander'
import { pino } from 'pino'
import type { Config } from '../configuration/config.ts'
import { ImageError } from '../image/fetch/image-error.ts'
import { MachineImages } from '../image/machine-images.ts'
import type { ImageDescription, LocalImages } from '../image/store/local-images.ts'
import { parseReference, printReference, type ImageReference } from '../job/image-reference.ts'
import { InvalidRequest } from '../job/invalid.ts'
import type { ImageUse, Store } from '../store/store.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { createProgress } from './output/progress.ts'
import { printTable } from './output/table.ts'

/** Defines the commands under `image`. */
export function define(image: Command): void {
  located(image.command('load <archive>'))
    .description('put an OCI or docker archive into the local store, unpacked, so that jobs start at once')
    .requiredOption('--as <reference>', 'the name that jobs use: localhost/NAME:TAG')
    .addHelpText(
      'after',
      '\nOf an archive with several images: FILE:NAME.' +
        '\n\nExamples:\n  science-platform image load image.tar --as localhost/astro/source-extractor:1 --data DIR' +
        '\n  science-platform image load images.tar:astro/tool:2 --as localhost/astro/tool:2 --data DIR',
    )
    .action(loadImage)
  located(image.command('list'))
    .alias('ls')
    .description('list the images on this machine')
    .option('--json', 'as JSON')
    .action(listImages)
  located(image.command('info <reference>'))
    .description('show what an image on this machine contains, and the last job that ran it')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  science-platform image info localhost/astro/source-extractor:1 --data DIR')
    .action(imageInfo)
  located(image.command('rm <reference>'))
    .description('remove an image; a running job keeps it until the job ends')
    .addHelpText('after', '\nExample:\n  science-platform image rm localhost/astro/source-extractor:1 --data DIR')
    .action(removeImage)
}

/** No limit: only the server removes images to make room. */
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

/** Does work on images. What the images refuse becomes an error that the command line prints with its hint. */
async function withHints<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof ImageError)) throw error
    throw new InvalidRequest('image', error.why.message, error.why.hint ?? 'See docs/images.md.')
  }
}

/** `image load`: prints the digest on standard output and the steps on standard error. */
async function loadImage(archive: string, options: Location & { readonly as: string }): Promise<void> {
  const reference = referenceOf(options.as)
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      interrupted.abort(new Error('interrupted; nothing was loaded'))
    })
  const progress = createProgress()
  try {
    await changeStore(options, { action: 'image load', subject: options.as }, async (store, config) => {
      const images = await openImages(config, store)
      const onProgress = (_step: string, message: string): void => {
        progress.show(message)
      }
      const loading = images.load(archive, reference, { signal: interrupted.signal, onProgress })
      const digest = await withHints(loading)
      progress.end()
      process.stdout.write(`${digest}\n`)
    })
  } finally {
    progress.end()
  }
}

/** `image list` */
async function listImages(options: Location & { readonly json?: true }): Promise<void> {
  const rows = await withStore(options, async (store, config) => (await openImages(config, store)).list())
  if (options.json) {
    process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`)
    return
  }
  printTable(
    ['IMAGE', 'DIGEST', 'MiB', 'SINCE'],
    rows.map(({ reference, digest, sizeBytes, loadedAt }) => [
      reference,
      digest.slice(0, 19),
      mebibytes(sizeBytes),
      new Date(loadedAt).toISOString().slice(0, 10),
    ]),
  )
}

/** `image info`: contacts no registry, since an administrator of the machine may read all of its images. */
async function imageInfo(text: string, options: Location & { readonly json?: true }): Promise<void> {
  const asked = referenceOf(text)
  const reference = printReference(asked)
  const { image, lastUse } = await withStore(options, async (store, config) => {
    const [lastUse] = await store.imageUses({ image: reference })
    const images = await openImages(config, store)
    return { image: await withHints(images.describeStored(asked)), lastUse }
  })
  if (options.json) process.stdout.write(`${JSON.stringify({ reference, ...image, lastUse }, undefined, 2)}\n`)
  else printTable(['', ''], infoRows(reference, image, lastUse))
}

function infoRows(reference: string, image: ImageDescription, lastUse: ImageUse | undefined): string[][] {
  const { digest, platform, sizeBytes, createdAt, entrypoint, cmd, workingDir, env, labels } = image
  return [
    ['image', reference],
    ['digest', digest],
    ['made for', platform === undefined ? 'not stated' : `${platform.os}/${platform.architecture}`],
    ['size', `${mebibytes(sizeBytes)} MiB, compressed`],
    ['built', createdAt ?? 'not stated'],
    ['last run', lastUse === undefined ? 'by no known job' : `${instant(lastUse.at)} by ${lastUse.account}`],
    ['entry point', JSON.stringify(entrypoint)],
    ['command', JSON.stringify(cmd)],
    ['folder', workingDir],
    ...env.map((line) => ['variable', JSON.stringify(line)]),
    ...Object.entries(labels).map((label) => ['label', JSON.stringify(label.join('='))]),
  ]
}

const mebibytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(1)

const instant = (at: number): string => new Date(at).toISOString()

/** `image rm` */
async function removeImage(text: string, options: Location): Promise<void> {
  const reference = referenceOf(text)
  await changeStore(options, { action: 'image rm', subject: text }, async (store, config) => {
    const images = await openImages(config, store)
    await withHints(images.remove(reference))
  })
}
