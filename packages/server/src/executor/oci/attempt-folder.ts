import { chmod, chown, lstat, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PreparedImage } from '../../image/local-images.ts'
import type { AttemptSpec } from '../executor.ts'
import { groupText, passwdText } from './accounts.ts'
import { ociConfig, type Placement } from './bundle.ts'
import { parseEndEvidence, type EndEvidence } from './ending.ts'
import type { Evidence } from './evidence.ts'
import { ifThere, readIfThere } from './files.ts'
import { stages, type Folders, type Stage } from './folders.ts'
import type { Machine } from './machine.ts'
import { isAlive, parseIdentity, planText, type SupervisorIdentity } from './supervisor.ts'

/** What is remembered of an attempt beside what its supervisor writes. */
export interface AttemptRecord {
  readonly spec: AttemptSpec
  readonly imageDigest: string
  readonly logLimitBytes: number
}

/** What a container sees of the network: a namespace, and who answers to names. */
export interface ContainerNetwork {
  readonly placement: Placement['network']
  readonly resolvConf: string
  readonly hosts: string
}

/** Settings of the executor that an attempt's folder depends on. */
export interface FolderOptions {
  readonly folders: Folders
  readonly machine: Machine
  readonly runtime: string
  readonly logLimitBytes: number
  readonly pidsLimit: number
}

/**
 * Writes everything the supervisor needs. The last step renames the plan into place: a folder without a plan was never completed, and nothing
 * has run from it.
 */
export async function writeAttemptFolder(
  spec: AttemptSpec,
  image: PreparedImage,
  network: ContainerNetwork,
  options: FolderOptions,
): Promise<void> {
  const { folders, machine, logLimitBytes } = options
  const folder = join(folders.attempts, spec.id)
  const scratchFolder = join(folders.scratch, spec.id)
  const homeFolder = join(folders.homes, spec.account.name)
  await mkdir(folder, { mode: 0o700 })
  await mkdir(scratchFolder, { mode: 0o700 })
  await giveTo(scratchFolder, spec, machine)
  await makeHome(homeFolder, spec, machine)
  const { ownTmp, programs32Bit } = await lookInto(image)
  if (ownTmp) {
    await mkdir(join(folder, 'tmp'))
    await chmod(join(folder, 'tmp'), 0o1777)
  }
  const placement: Placement = {
    folder,
    homeFolder,
    projectsFolder: folders.projects,
    scratchFolder,
    network: network.placement,
    pidsLimit: options.pidsLimit,
    ownTmp,
    programs32Bit,
  }
  const record: AttemptRecord = { spec: withoutCredentials(spec), imageDigest: image.digest, logLimitBytes }
  const plan = planText(
    {
      attemptId: spec.id,
      runtime: options.runtime,
      rootfs: image.rootfs,
      logLimitBytes,
      graceSeconds: spec.graceSeconds,
      spoolFolder: folders.spool,
      scratchFolder,
    },
    machine,
  )
  const secret = { mode: 0o600 }
  const readable = { mode: 0o644 } // by the job, whoever it runs as
  await Promise.all([
    writeFile(join(folder, 'config.json'), JSON.stringify(ociConfig(spec, image, placement, machine)), secret),
    writeFile(join(folder, 'attempt.json'), JSON.stringify(record), secret),
    writeFile(join(folder, 'passwd'), passwdText(image.passwd, spec.account, machine.rootless), readable),
    writeFile(join(folder, 'group'), groupText(image.group, spec.account, machine.rootless), readable),
    writeFile(join(folder, 'hosts'), network.hosts, readable),
    writeFile(join(folder, 'resolv.conf'), network.resolvConf, readable),
    writeFile(join(folder, 'plan'), plan, secret),
  ])
  await rename(join(folder, 'plan'), join(folder, 'prepared'))
}

function withoutCredentials(spec: AttemptSpec): AttemptSpec {
  const { registryAuth: _, ...rest } = spec
  return rest
}

async function giveTo(path: string, { account }: AttemptSpec, machine: Machine): Promise<void> {
  if (!machine.rootless) await chown(path, account.uid, account.gid)
}

/** The home is made on first use; later its owner may do with it what they like, but not replace it: its parent is not theirs. */
async function makeHome(path: string, spec: AttemptSpec, machine: Machine): Promise<void> {
  if ((await ifThere(lstat(path)))?.isDirectory()) return
  const made = `${path}.${spec.id}`
  await rm(made, { recursive: true, force: true })
  await mkdir(made, { mode: 0o700 })
  await giveTo(made, spec, machine)
  try {
    // Renamed into place, so that no attempt started at the same time finds a home that is not its owner's yet.
    await rename(made, path)
  } catch (error) {
    await rm(made, { recursive: true, force: true })
    // Another attempt was first, and something is in it already.
    if (!(await ifThere(lstat(path)))?.isDirectory()) throw error
  }
}

const looks = new Map<string, Promise<Pick<Placement, 'ownTmp' | 'programs32Bit'>>>()

/** What of the image's root decides about its containers. Looked at once: a root never changes. Links in it are not followed. */
function lookInto({ rootfs }: PreparedImage): Promise<Pick<Placement, 'ownTmp' | 'programs32Bit'>> {
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
  look.catch(() => looks.delete(rootfs)) // the caller reports it; the next one looks again
  return look
}

/** What is on disk of an attempt. */
export interface FoundAttempt extends Evidence {
  readonly record?: AttemptRecord
  readonly identity?: SupervisorIdentity
  /** Milliseconds since the epoch, when the command was started and has not been cleaned away. */
  readonly startedAt?: number
}

/** Looks at an attempt's folder. */
export async function findAttempt(folder: string, bootId: string): Promise<FoundAttempt> {
  const names = new Set((await ifThere(readdir(folder))) ?? [])
  const stage = stages.findLast((candidate) => names.has(candidate))
  const identity = parseIdentity((await readIfThere(join(folder, 'supervisor'))) ?? '')
  const startedAt = await startOf(folder)
  const record = parseRecord((await readIfThere(join(folder, 'attempt.json'))) ?? '')
  return {
    ended: names.has('ended.json'),
    supervised: identity !== undefined && (await isAlive(identity, bootId)),
    ...(stage === undefined ? {} : { stage }),
    ...(identity === undefined ? {} : { identity }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(record === undefined ? {} : { record }),
  }
}

/** When the command was started: the supervisor stamps the plan with it. */
export async function startOf(folder: string): Promise<number | undefined> {
  return (await ifThere(stat(join(folder, 'started' satisfies Stage))))?.mtimeMs
}

/** What the supervisor wrote of the end; undefined while there is nothing. A file that is not whole counts as an end that nobody saw. */
export async function readEnd(folder: string): Promise<EndEvidence | undefined> {
  const text = await readIfThere(join(folder, 'ended.json'))
  if (text === undefined) return undefined
  return parseEndEvidence(text) ?? lostEvidence(Date.now())
}

/** The evidence of an end of which there is none. */
export const lostEvidence = (at: number): EndEvidence => ({
  at,
  stopped: false,
  killed: false,
  lost: true,
  lostBytes: 0,
  files: {},
})

/** The whole log when it is short enough to be nothing but a message of the init, otherwise ''. */
export async function readShortLog(folder: string): Promise<string> {
  const path = join(folder, 'log')
  const size = (await ifThere(stat(path)))?.size ?? 0
  return size > 0 && size <= 4096 ? await readFile(path, 'utf8') : ''
}

/** Our own file, written before the plan was renamed into place: whole wherever there is a plan, save after a power failure. */
function parseRecord(text: string): AttemptRecord | undefined {
  try {
    return JSON.parse(text) as AttemptRecord
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Stands for a record that a power failure took: the attempt ran, so it must not run again, and its ending needs words. */
export const unknownRecord = (attemptId: string): AttemptRecord => ({
  spec: {
    id: attemptId,
    jobId: attemptId,
    name: attemptId.toLowerCase(),
    account: { name: 'unknown', uid: 65_534, gid: 65_534, groups: [] },
    image: 'unknown',
    env: {},
    resources: { cores: { request: 1, limit: 1 }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: false },
    graceSeconds: 0,
  },
  imageDigest: '',
  logLimitBytes: 0,
})

/** Removes an attempt of which nothing runs, and its scratch space. */
export async function removeAttempt(folders: Folders, attemptId: string): Promise<void> {
  await rm(join(folders.scratch, attemptId), { recursive: true, force: true })
  await rm(join(folders.attempts, attemptId), { recursive: true, force: true })
}

/** Puts the log of an ended attempt where it outlives the attempt, and removes the rest. May be interrupted and done again. */
export async function keepOnlyLog(folders: Folders, attemptId: string): Promise<void> {
  await ifThere(rename(join(folders.attempts, attemptId, 'log'), join(folders.logs, `${attemptId}.log`)))
  await removeAttempt(folders, attemptId)
}
