import { fullImageReference, sessionKinds, type SessionKind } from '@science-platform/client'
import type { ImageInfo, ImagePull } from '@science-platform/contract'
import { Option, type Command } from 'commander'
import { examples } from '../../examples.ts'
import { CommandFailure } from '../../failure.ts'
import { interrupted, takeInterrupts } from '../../run/interruption.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { fields } from '../../output/fields.ts'
import { bytes as bytesText, instant } from '../../output/quantities.ts'
import { table } from '../../output/table.ts'
import { columns, note, showProgress } from '../../output/terminal.ts'
import { platformFor } from '../../platform.ts'

interface ListOptions {
  readonly kind?: SessionKind
}

/** Defines `canfar image`. */
export function define(program: Command): void {
  const image = program.command('image').description('List, inspect and fetch the images that the platform offers.')
  image
    .command('ls')
    .alias('list')
    .summary('list images')
    .description('List the images that the platform offers.')
    .addOption(new Option('-k, --kind <kind>', 'list only images for this kind of session').choices(sessionKinds))
    .addHelpText(...examples('canfar image ls --kind headless'))
    .action(async (options: ListOptions, self: Command) => list(options, invocationOf(self)))
  image
    .command('info')
    .summary('show details of an image')
    .description('Show what an image runs, its variables, labels and size, and when you last used it.')
    .argument('<image>', 'image, such as project/name:tag')
    .addHelpText(...examples('canfar image info skaha/astroml:24.07'))
    .action(async (reference: string, _options: unknown, self: Command) => info(reference, invocationOf(self)))
  image
    .command('pull')
    .summary('fetch an image before jobs need it')
    .description(
      'Let the platform fetch an image before jobs need it, and wait until the image is there. ' +
        'Ctrl-C stops waiting; the platform continues to fetch.',
    )
    .argument('<image>', 'image, such as project/name:tag')
    .option('--no-wait', 'return at once')
    .addHelpText(...examples('canfar image pull skaha/astroml:24.07'))
    .action(async (reference: string, { wait }: { wait: boolean }, self: Command) =>
      pull(reference, wait, invocationOf(self)),
    )
}

async function list({ kind }: ListOptions, invocation: Invocation): Promise<void> {
  const { session } = await platformFor(invocation)
  // The CLI filters, like the published client: a kind that no image has is not an error.
  const images = (await session.images()).filter(({ types }) => kind === undefined || types.includes(kind))
  if (invocation.format === 'human' && images.length === 0) {
    note('There are no images.')
    return
  }
  await show(invocation, images, (all) =>
    table(
      [
        { title: 'IMAGE', cut: 'start' },
        { title: 'KINDS', cut: 'end' },
        { title: 'DIGEST', droppable: 1 },
      ],
      all.map(({ id, types, digest }) => [id, types.join(' '), digest.replace(/^sha256:/, '').slice(0, 12)]),
      columns(),
    ),
  )
}

async function info(reference: string, invocation: Invocation): Promise<void> {
  const { images } = await platformFor(invocation, true)
  await show(invocation, await images.get(reference), infoText)
}

function infoText(image: ImageInfo): string {
  const { os = 'any system', architecture = 'any processor', lastUsed } = image
  const pairs: [string, string | undefined][] = [
    ['Image', image.reference],
    ['Digest', image.digest],
    ['Kinds', image.types.join(' ')],
    ['Made for', `${os}/${architecture}${image.runsHere ? '' : ', which does not run on this platform'}`],
    ['Size', `${bytesText(image.sizeBytes)} compressed`],
    ['Here', image.here ? 'yes, jobs start at once' : 'no, the platform fetches it first'],
    ['Built', image.createdAt],
    ['Last used', lastUsed === undefined ? 'never' : `${instant(lastUsed.at)} by ${lastUsed.by}`],
    ['Entry point', words(image.entrypoint)],
    ['Command', words(image.cmd)],
    ['Folder', image.workingDir === '' ? undefined : image.workingDir],
    ['Variables', image.env.length === 0 ? undefined : image.env.join('\n')],
    ['Labels', labels(image.labels)],
  ]
  // Texts of an image may hold escape sequences for the terminal.
  return fields(
    pairs.map(([name, value]) => [name, value?.replaceAll(control, '?')]),
    columns(),
  )
}

// eslint-disable-next-line no-control-regex -- finds control characters
const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g

const words = (all: readonly string[]): string | undefined => (all.length === 0 ? undefined : JSON.stringify(all))

const labels = (all: Readonly<Record<string, string>>): string | undefined =>
  Object.keys(all).length === 0
    ? undefined
    : Object.entries(all)
        .map((entry) => entry.join('='))
        .join('\n')

async function pull(reference: string, wait: boolean, invocation: Invocation): Promise<void> {
  const { images } = await platformFor(invocation, true)
  const interruption = takeInterrupts()
  const isHuman = invocation.format === 'human'
  let last: ImagePull | undefined
  try {
    for await (const state of images.pull(reference, { signal: interruption.signal })) {
      last = state
      if (isHuman) showProgress(progress(state))
      if (!wait) break
    }
  } catch (error) {
    if (interruption.signal.aborted)
      throw interrupted('interrupted; the platform continues to fetch', `canfar image pull ${reference}`)
    throw error
  } finally {
    if (isHuman) showProgress(undefined)
    interruption.release()
  }
  if (last === undefined) throw new Error(`the server sent no state of ${fullImageReference(reference)}`)
  if (last.state === 'failed')
    throw new CommandFailure(
      'failure',
      `image.${last.cause?.code ?? 'failed'}`,
      last.cause?.message ?? `${last.reference} could not be fetched`,
      last.cause?.hint,
    )
  await show(invocation, last, pullText)
}

const pullText = (pull: ImagePull): string =>
  pull.state === 'present'
    ? `${pull.reference} is here, ${pull.digest ?? ''}.`
    : `${pull.reference}: ${progress(pull)}.`

/** How far a fetch is, in a few words. */
function progress({ state, bytes, totalBytes }: ImagePull): string {
  if (state === 'waiting') return 'waiting for other fetches'
  if (state !== 'pulling') return state
  return bytes === undefined || totalBytes === undefined
    ? 'fetching'
    : `fetching, ${bytesText(bytes)} of ${bytesText(totalBytes)}`
}
