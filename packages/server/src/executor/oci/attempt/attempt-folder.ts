import { lstat, mkdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PreparedImage } from '../../../image/store/local-images.ts'
import type { AttemptSpec } from '../../executor.ts'
import { enterProgram } from '../../entry/entry.ts'
import { groupText, passwdText } from '../../container-user.ts'
import { environmentOf, ociConfig, type Placement } from '../container/bundle.ts'
import type { Evidence } from './evidence.ts'
import { BoundedMap } from '../../../lib/bounded-map.ts'
import { ifThere } from '../../../lib/files.ts'
import { keepLog, keptLogPath } from '../../log/attempt-log.ts'
import { homeFolderOf, type Folders } from './folders.ts'
import { parseJournal, stages, type Journal, type Stage } from './journal.ts'
import type { GpuGrant } from '../gpu/grant.ts'
import type { Machine } from '../container/machine.ts'
import type { ImageFacts } from '../container/program-look.ts'
import type { SharedFiles } from './shared-files.ts'
import { launchInput } from '../supervisor/launch-input.ts'
import { isAlive, planText } from '../supervisor/supervisor.ts'

/** The network of a container: its namespace, and how names resolve. */
export interface ContainerNetwork {
  /** Number of its slot, when it is isolated. */
  readonly slot?: number
  readonly placement: Placement['network']
  readonly resolvConf: string
  readonly hosts: string
}

/** The GPUs of a container: their numbers, and what they need. */
export interface ContainerGpus {
  readonly numbers: readonly number[]
  readonly grant: GpuGrant
}

/** Settings of the executor that an attempt's folder depends on. */
export interface FolderOptions {
  readonly folders: Folders
  readonly sharedFiles: SharedFiles
  readonly machine: Machine
  readonly runtime: string
  readonly logLimitBytes: number
  readonly pidsLimit: number
  /** Absent: the usual one. */
  readonly umask?: number
  /** The processors that the container is bound to. @defaultValue none: it may use all */
  readonly processors?: readonly number[]
}

/** 002 where the account's primary group is its own, so that members of a project may change each other's files there; else 022. Pure. */
const usualUmask = ({ gid, groups }: AttemptSpec['account']): number =>
  groups.some((group) => group.gid === gid) ? 0o022 : 0o002

/**
 * Writes the journal of a prepared attempt, and returns the input for its supervisor, which makes the rest. The last step renames the
 * journal into place: a folder without one was never completed, and nothing has run from it.
 */
export async function writeAttemptFolder(
  spec: AttemptSpec,
  image: PreparedImage,
  { network, gpus }: { readonly network: ContainerNetwork; readonly gpus: ContainerGpus | undefined },
  options: FolderOptions,
): Promise<string> {
  const { folders, sharedFiles, machine, logLimitBytes, runtime, processors = [] } = options
  const folder = join(folders.attempts, spec.id)
  const scratchFolder = join(folders.scratch, spec.id)
  const homeFolder = homeFolderOf(folders, spec.account)
  const owner = machine.rootless ? undefined : spec.account
  const { ownTmp, programs32Bit } = await lookInto(image)
  const placement: Placement = {
    rootfs: folders.rootfs,
    homeFolder,
    projectsFolder: folders.projects,
    scratchFolder,
    ...(ownTmp ? { tmpFolder: join(folder, 'tmp') } : {}),
    etc: {
      passwd: await sharedFiles.path(passwdText(image.passwd, spec.account, machine.rootless)),
      group: await sharedFiles.path(groupText(image.group, spec.account, machine.rootless)),
      hosts: join(folder, 'hosts'),
      'resolv.conf': await sharedFiles.path(network.resolvConf),
    },
    ...(spec.workingDirectory === undefined
      ? {}
      : { enterFile: await sharedFiles.path(enterProgram(machine.architecture), 0o755) }),
    network: network.placement,
    pidsLimit: options.pidsLimit,
    umask: options.umask ?? usualUmask(spec.account),
    ...(processors.length === 0 ? {} : { processorsFile: await sharedFiles.path(`${processors.join(',')}\n`) }),
    programs32Bit,
    ...(gpus === undefined ? {} : { gpus: gpus.grant }),
  }
  const bound = processors.length === 0 ? {} : { processors }
  const record = {
    spec,
    imageDigest: image.digest,
    logLimitBytes,
    image: imageFacts(spec, image),
    ...bound,
    ...(gpus === undefined ? {} : { gpus: gpus.numbers }),
  }
  const { slot } = network
  const plan = planText(
    {
      record,
      runtime,
      imageRoot: image.rootfs,
      scratchFolder,
      folders,
      ...bound,
      ...(slot === undefined ? {} : { slot }),
    },
    machine,
  )
  await mkdir(folder, { mode: 0o700 })
  await writeFile(join(folder, 'plan'), plan, { mode: 0o600 })
  await rename(join(folder, 'plan'), join(folder, 'prepared'))
  const config = ociConfig(spec, image, placement, machine)
  const keptLog = keptLogPath(folders, spec.id)
  return launchInput({ config, hosts: network.hosts, keptLog, ownTmp, ...(owner === undefined ? {} : { owner }) })
}

/** What the record of an attempt keeps of its image. */
export function imageFacts(spec: AttemptSpec, image: PreparedImage): ImageFacts {
  const { rootfs, entrypoint, workingDir } = image
  const path =
    environmentOf(spec, image)
      .find((line) => line.startsWith('PATH='))
      ?.slice(5) ?? ''
  return { rootfs, entrypoint, workingDir, path }
}

/** Properties of an image's root that decide about its containers. */
interface ImageLook {
  /** Whether it lacks a /tmp that every user may write to. */
  readonly ownTmp: boolean
  /** Whether it has a loader for 32-bit programs. */
  readonly programs32Bit: boolean
}

const looks = new BoundedMap<string, Promise<ImageLook>>(1000)

/** Looks once at each root: it never changes. Links in it are not followed. */
function lookInto({ rootfs }: PreparedImage): Promise<ImageLook> {
  const known = looks.get(rootfs)
  if (known !== undefined) return known
  const look = (async () => {
    const tmp = await ifThere(lstat(join(rootfs, 'tmp')))
    const ownTmp = tmp === undefined || (tmp.isDirectory() && (tmp.mode & 0o7777) !== 0o1777)
    const libFolders = ['usr/lib']
    if ((await ifThere(lstat(join(rootfs, 'lib'))))?.isDirectory()) libFolders.push('lib')
    let programs32Bit = false
    for (const lib of libFolders)
      for (const loader of ['ld-linux.so.2', 'ld-linux-armhf.so.3', 'ld-musl-i386.so.1', 'ld-musl-armhf.so.1'])
        if ((await ifThere(lstat(join(rootfs, lib, loader)))) !== undefined) programs32Bit = true
    return { ownTmp, programs32Bit }
  })()
  looks.set(rootfs, look)
  look.catch(() => {
    looks.delete(rootfs) // the caller reports it; the next one looks again
  })
  return look
}

/** What the files of an attempt say. */
export interface FoundAttempt extends Evidence, Journal {
  /** While the command runs: when it started, in milliseconds since the epoch. */
  readonly startedAt?: number
}

/** Reads the journal of an attempt, and looks whether its supervisor lives. */
export async function findAttempt(folder: string, bootId: string): Promise<FoundAttempt> {
  // Stages only go forward: a journal that is renamed between two of these reads is found under a later name.
  for (const stage of stages) {
    const path = join(folder, stage)
    const text = await ifThere(readFile(path, 'utf8'))
    if (text === undefined) continue
    const journal = parseJournal(text, stage, Date.now())
    const startedAt = stage === 'started' ? (await ifThere(stat(path)))?.mtimeMs : undefined
    const supervised = journal.identity !== undefined && (await isAlive(journal.identity, bootId))
    return {
      ...journal,
      stage,
      hasEnd: journal.end !== undefined,
      supervised,
      ...(startedAt === undefined ? {} : { startedAt: Math.floor(startedAt) }),
    }
  }
  return { stage: undefined, hasEnd: false, supervised: false }
}

/**
 * Takes a prepared attempt back from a supervisor that is just starting: without this file it launches nothing. False when the supervisor
 * was faster.
 */
export async function takeBack(folders: Folders, attemptId: string): Promise<boolean> {
  const stage: Stage = 'prepared'
  return (await ifThere(unlink(join(folders.attempts, attemptId, stage)).then(() => true))) ?? false
}

/** Removes an attempt of which nothing runs, and its scratch space. */
export async function removeAttempt(folders: Folders, attemptId: string): Promise<void> {
  await rm(join(folders.scratch, attemptId), { recursive: true, force: true })
  await rm(join(folders.attempts, attemptId), { recursive: true, force: true })
}

/** Moves the log of an ended attempt to where it outlives the attempt, and removes the rest. May be interrupted and done again. */
export async function keepOnlyLog(folders: Folders, attemptId: string): Promise<void> {
  await keepLog(folders, attemptId)
  await removeAttempt(folders, attemptId)
}
