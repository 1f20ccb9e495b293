import { printReference } from '../../../job/image-reference.ts'
import { once } from 'node:events'
import type { Cause } from '@science-platform/contract'
import type { Logger } from 'pino'
import { ImageError } from '../../../image/fetch/image-error.ts'
import type { LocalImages, PreparedImage } from '../../../image/store/local-images.ts'
import { isDiskFull } from '../../../lib/files.ts'
import { diskFull, stoppedBeforeStart } from '../../causes.ts'
import { homeOf } from '../../container-user.ts'
import { homeOfAnother, makeHome } from '../../home.ts'
import type { AttemptSpec, ExecutorEvent, Retry } from '../../executor.ts'
import { commandOf } from '../container/bundle.ts'
import { readGpuDevices } from '../gpu/devices.ts'
import { grantGpus } from '../gpu/grant.ts'
import type { GpuPool } from '../gpu/gpu-pool.ts'
import type { Machine } from '../container/machine.ts'
import { chooseProcessors } from '../container/processors.ts'
import type { IsolatedNetwork } from '../network/network.ts'
import type { Supervision } from '../supervisor/supervision.ts'
import {
  imageFacts,
  removeAttempt,
  writeAttemptFolder,
  type ContainerGpus,
  type ContainerNetwork,
} from './attempt-folder.ts'
import type { Attempt } from './attempt.ts'
import { homeFolderOf, type Folders } from './folders.ts'
import { hostHosts, hostResolvConf, noNetworkHosts } from './names.ts'
import type { SharedFiles } from './shared-files.ts'

/** Folders of the machine that describe its GPUs; absent: those of the system. */
export interface GpuFolders {
  /** Device nodes. @defaultValue '/dev' */
  readonly devices?: string
  /** Files of the Container Device Interface. @defaultValue ['/etc/cdi', '/var/run/cdi'] */
  readonly cdi?: readonly string[]
}

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
  readonly gpus: GpuPool
  /** Where the device nodes of GPUs, and the files that describe them, are; by default where the system has them. */
  readonly gpuFolders: GpuFolders
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
    const containerNetwork = await unlessAborted(signal, networkFor(attempt, parts))
    await prepareHome(attempt, parts)
    const gpus = await unlessAborted(signal, gpusFor(attempt, parts))
    signal.throwIfAborted()
    attempt.processors = chooseProcessors(spec.resources.cores.limit, machine.processors, parts.boundProcessors()) ?? []
    const input = await writeAttemptFolder(
      spec,
      image,
      { network: containerNetwork, gpus },
      {
        folders,
        sharedFiles: parts.sharedFiles,
        machine,
        runtime: parts.runtime,
        logLimitBytes: attempt.logLimitBytes,
        pidsLimit: parts.pidsLimit,
        processors: attempt.processors,
        ...(parts.umask === undefined ? {} : { umask: parts.umask }),
      },
    )
    signal.throwIfAborted()
    supervision.start(attempt, 'run', input)
  } catch (error) {
    await network?.release(spec.id)
    parts.gpus.release(spec.id)
    await removeAttempt(folders, spec.id)
    attempt.settle()
    // A server that closes leaves the attempt to the next one, which starts it again.
    if (signal.aborted && !attempt.stopAsked) return
    if (!attempt.ended) supervision.endUnstarted(attempt, causeOf(attempt, error, parts.log), retryOf(attempt, error))
  }
}

async function networkFor(attempt: Attempt, parts: PreparationParts): Promise<ContainerNetwork> {
  const { spec } = attempt
  const { machine, network } = parts
  const type = spec.network ?? (network === undefined ? 'host' : 'isolated')
  if (type === 'none') return { placement: { type }, resolvConf: '', hosts: noNetworkHosts(spec.name) }
  if (type === 'host')
    return { placement: { type }, resolvConf: await hostResolvConf(), hosts: await hostHosts(spec.name) }
  if (network === undefined || machine.rootless)
    throw new Error('the network isolated needs a platform that runs as root; use none or host')
  const lease = await network.acquire(spec.id, (reason) => {
    report(attempt, 'Warning', 'NetworkNotReady', reason, parts)
  })
  if (!lease.resolvesNames)
    report(
      attempt,
      'Warning',
      'NoNameServer',
      'Names do not resolve in this job: the machine has no name server that a job reaches. Addresses work. Tell the operators of the platform.',
      parts,
    )
  return {
    slot: lease.slot,
    placement: { type, namespacePath: lease.namespacePath },
    resolvConf: lease.resolvConf,
    hosts: lease.hosts(spec.name),
  }
}

async function prepareHome(attempt: Attempt, parts: PreparationParts): Promise<void> {
  const { account, id } = attempt.spec
  const owner = parts.machine.rootless ? undefined : account
  const { otherUid } = await makeHome(homeFolderOf(parts.folders, account), id, owner)
  if (otherUid !== undefined)
    report(attempt, 'Warning', 'HomeOfAnother', homeOfAnother(homeOf(account), account, otherUid), parts)
}

/** The GPUs of an attempt that asks for some, no other attempt's. */
async function gpusFor(attempt: Attempt, parts: PreparationParts): Promise<ContainerGpus | undefined> {
  const { spec } = attempt
  const { gpus: count } = spec.resources
  if (count === 0) return undefined
  const { devices: folder, cdi } = parts.gpuFolders
  const devices = await readGpuDevices(folder)
  const present = [...devices.gpus.keys()].sort((a, b) => a - b)
  if (present.length === 0) {
    const text =
      'The machine has no device node of an NVIDIA GPU: the job runs without one. Tell the operators of the platform.'
    report(attempt, 'Warning', 'NoGpuDevice', text, parts)
    return undefined
  }
  if (count > present.length)
    throw new Error(
      `the job requests ${count} GPUs, and the machine has device nodes of ${present.length} (capacity.gpus)`,
    )
  const taken = parts.gpus.take(spec.id, count, present)
  if (parts.gpus.isWaiting(spec.id))
    report(attempt, 'Normal', 'WaitsForGpu', 'The job waits for the GPUs of jobs that are being cleaned up.', parts)
  const numbers = await taken
  report(attempt, 'Normal', 'GpusAssigned', `The job has ${gpusText(numbers)} of the machine.`, parts)
  return { numbers, grant: await grantGpus(numbers, devices, cdi) }
}

const gpusText = (numbers: readonly number[]): string =>
  numbers.length === 1 ? `the GPU ${numbers[0]}` : `the GPUs ${numbers.join(', ')}`

/** The result, or a rejection with the signal's reason as soon as it aborts. The work itself goes on. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = (): void => {
    reject(signal.reason as Error)
  }
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
    work.catch(() => undefined) // after an abort its failure is of no interest
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
