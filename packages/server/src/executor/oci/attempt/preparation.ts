import { printReference } from '../../../job/image-reference.ts'
import { once } from 'node:events'
import type { Cause } from '@science-platform/contract'
import type { Logger } from 'pino'
import { ImageError } from '../../../image/fetch/image-error.ts'
import type { LocalImages, PreparedImage } from '../../../image/store/local-images.ts'
import { isDiskFull } from '../../../lib/files.ts'
import { diskFull, stoppedBeforeStart } from '../../causes.ts'
import type { AttemptSpec, ExecutorEvent, Retry } from '../../executor.ts'
import { commandOf } from '../container/bundle.ts'
import type { Machine } from '../container/machine.ts'
import { chooseProcessors } from '../container/processors.ts'
import type { IsolatedNetwork } from '../network/network.ts'
import type { Supervision } from '../supervisor/supervision.ts'
import { imageFacts, removeAttempt, writeAttemptFolder, type ContainerNetwork } from './attempt-folder.ts'
import type { Attempt } from './attempt.ts'
import type { Folders } from './folders.ts'
import { hostHosts, hostResolvConf, noNetworkHosts } from './names.ts'
import type { SharedFiles } from './shared-files.ts'

/** What {@link prepareAttempt} works with. */
export interface PreparationParts {
  readonly folders: Folders
  readonly sharedFiles: SharedFiles
  readonly machine: Machine
  readonly runtime: string
  readonly pidsLimit: number
  readonly umask: number | undefined
  /** The processors that each running attempt is bound to. */
  readonly boundProcessors: () => readonly (readonly number[])[]
  readonly images: Pick<LocalImages, 'prepare'>
  readonly network: IsolatedNetwork | undefined
  readonly supervision: Supervision
  readonly log: Logger
  readonly onEvent: (event: ExecutorEvent) => void
  /** The removal of an attempt with this id that is still going on. */
  readonly removalOf: (attemptId: string) => Promise<void> | undefined
}

/** From the image to a running supervisor. A failure becomes the attempt's ending, except that of a server that closes. */
export async function prepareAttempt(attempt: Attempt, signal: AbortSignal, parts: PreparationParts): Promise<void> {
  const { spec } = attempt
  const { folders, machine, network, supervision } = parts
  try {
    requireSafeNames(spec)
    const removal = parts.removalOf(spec.id)
    if (removal !== undefined) await Promise.race([removal, once(signal, 'abort')])
    signal.throwIfAborted()
    const image = await parts.images.prepare(spec.image, {
      ...(spec.imageDigest === undefined ? {} : { digest: spec.imageDigest }),
      ...(spec.registryAuth === undefined ? {} : { registryAuth: spec.registryAuth }),
      signal,
      onProgress: (reason, message) => {
        report(attempt, 'Normal', reason, message, parts)
      },
    })
    attempt.observed = { ...attempt.observed, imageDigest: image.digest }
    attempt.image = imageFacts(spec, image)
    if (commandOf(spec, image).length === 0) throw new NothingToRun(image)
    const containerNetwork = await networkFor(spec, machine, network)
    signal.throwIfAborted()
    attempt.processors = chooseProcessors(spec.resources.cores.limit, machine.processors, parts.boundProcessors()) ?? []
    const input = await writeAttemptFolder(spec, image, containerNetwork, {
      folders,
      sharedFiles: parts.sharedFiles,
      machine,
      runtime: parts.runtime,
      logLimitBytes: attempt.logLimitBytes,
      pidsLimit: parts.pidsLimit,
      processors: attempt.processors,
      ...(parts.umask === undefined ? {} : { umask: parts.umask }),
    })
    signal.throwIfAborted()
    supervision.start(attempt, 'run', input)
  } catch (error) {
    await network?.release(spec.id)
    await removeAttempt(folders, spec.id)
    attempt.settle()
    // A server that closes leaves the attempt to the next one, which starts it again.
    if (signal.aborted && !attempt.stopAsked) return
    if (!attempt.ended) supervision.endUnstarted(attempt, causeOf(attempt, error, parts.log), retryOf(attempt, error))
  }
}

async function networkFor(
  spec: AttemptSpec,
  machine: Machine,
  network: IsolatedNetwork | undefined,
): Promise<ContainerNetwork> {
  const type = spec.network ?? (network === undefined ? 'host' : 'isolated')
  if (type === 'none') return { placement: { type }, resolvConf: '', hosts: noNetworkHosts(spec.name) }
  if (type === 'host')
    return { placement: { type }, resolvConf: await hostResolvConf(), hosts: await hostHosts(spec.name) }
  if (network === undefined || machine.rootless)
    throw new Error('the network isolated needs a platform that runs as root; use none or host')
  const lease = await network.acquire(spec.id)
  return {
    slot: lease.slot,
    placement: { type, namespacePath: lease.namespacePath },
    resolvConf: lease.resolvConf,
    hosts: lease.hosts(spec.name),
  }
}

/** Neither the image nor the job names a command. */
class NothingToRun extends Error {
  readonly why: Cause
  constructor({ reference }: PreparedImage) {
    const image = printReference(reference)
    super(`${image} names no command`)
    this.why = {
      code: 'command-not-found',
      message: `The image ${image} does not name a command, and neither does the job.`,
      hint: 'Give a command: --cmd PROGRAM.',
    }
  }
}

/** When a registry that is away is asked again; undefined where another attempt would fail, too. */
const retryOf = ({ stopAsked }: Attempt, error: unknown): Retry | undefined =>
  !stopAsked && error instanceof ImageError && error.retryAt !== undefined ? { notBefore: error.retryAt } : undefined

function causeOf(attempt: Attempt, error: unknown, log: Logger): Cause {
  if (attempt.stopAsked) return stoppedBeforeStart
  if (error instanceof ImageError || error instanceof NothingToRun) return error.why
  log.warn({ attemptId: attempt.id, err: error }, 'an attempt could not be prepared')
  const message = error instanceof Error ? error.message : String(error)
  if (isDiskFull(error)) return diskFull(message)
  return { code: 'start-failed', message: `The container could not be prepared: ${message}` }
}

function report(
  { id }: Attempt,
  type: ExecutorEvent['type'],
  reason: string,
  message: string,
  { onEvent }: PreparationParts,
): void {
  onEvent({ attemptId: id, at: Date.now(), type, reason, message })
}

/** Ids and names become paths. The border has checked them already; a path outside the data folder must not depend on that. */
function requireSafeNames({ id, account }: AttemptSpec): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(id))
    throw new Error(`The attempt id ${JSON.stringify(id)} holds more than letters, digits and hyphens.`)
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(account.name))
    throw new Error(`The account name ${JSON.stringify(account.name)} cannot be a folder's name.`)
}
