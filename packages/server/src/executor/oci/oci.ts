import { closeSync, openSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Usage, WarningSignal } from '@science-platform/contract'
import type { Logger } from 'pino'
import type { LocalImages } from '../../image/store/local-images.ts'
import { stoppedBeforeStart } from '../causes.ts'
import { containerIds, type ContainerIds } from '../container-user.ts'
import type { Account } from '../account.ts'
import type {
  AttemptSpec,
  Executor,
  ExecutorEvent,
  LogRange,
  Node,
  Observed,
  Output,
  WarningOutcome,
} from '../executor.ts'
import { ArcLooks } from '../look/arc-looks.ts'
import { AttemptLogs, keptLogPath, noteGap, type RunningLog } from '../log/attempt-log.ts'
import { Attempt } from './attempt/attempt.ts'
import { findAttempt, keepOnlyLog } from './attempt/attempt-folder.ts'
import { requireOwnAttempts } from './attempt/copied-folder.ts'
import { foldersOf, type Folders } from './attempt/folders.ts'
import { prepareAttempt, type GpuFolders } from './attempt/preparation.ts'
import { recoverAttempt } from './attempt/recovery.ts'
import { SharedFiles } from './attempt/shared-files.ts'
import { sampleUsage } from './attempt/usage-sample.ts'
import {
  limitsOf,
  limitsText,
  makeSupervisorGroups,
  readMachine,
  removeCgroupParents,
  type Limits,
  type Machine,
} from './container/machine.ts'
import { procsFile, supervisorFolders } from './container/cgroups.ts'
import { warnProcesses } from './container/processes.ts'
import type { IsolatedNetwork } from './network/network.ts'
import { requireOverlay } from './container/overlay-probe.ts'
import { ForkServer } from './supervisor/fork-server.ts'
import { openHints, type Hints } from './supervisor/hints.ts'
import { readGpuDevices } from './gpu/devices.ts'
import { GpuPool } from './gpu/gpu-pool.ts'
import { Supervision } from './supervisor/supervision.ts'
import { firstProcess, removeGrace, signalSupervisor, writeGrace } from './supervisor/supervisor.ts'

/** Settings of {@link createOciExecutor}. */
export interface OciExecutorOptions {
  /** Absolute path of the data folder; {@link Folders} lists its contents. */
  readonly dataDir: string
  /** A short name of the data folder, part of the names of control groups: letters, digits and hyphens. */
  readonly instance: string
  /** What this machine offers to jobs. */
  readonly capacity: Omit<Node, 'name'>
  readonly images: Pick<LocalImages, 'prepare'>
  /** The network `isolated`, already open. With it jobs are on `isolated` by default, without it on `host`. */
  readonly network?: IsolatedNetwork
  /** The OCI runtime: a name to be found in PATH, or a path. @defaultValue 'runc' */
  readonly runtime?: string
  readonly gpuFolders?: GpuFolders
  /** Bytes of output kept of an attempt. @defaultValue 67108864 (64 MiB) */
  readonly logLimitBytes?: number
  /** Most processes and threads of an attempt at the same time. @defaultValue 4096 */
  readonly pidsLimit?: number
  /** The umask of jobs. @defaultValue 002 where the account's primary group is its own, else 022 */
  readonly umask?: number
  readonly log: Logger
}

/** The executor for one machine, without a daemon. */
export interface OciExecutor extends Executor {
  /** Which limits hold on this machine, and a sentence for each that does not. Known after `open()`. */
  limitsThatHold(): Limits & { readonly missing: readonly string[] }
}

/** Milliseconds after which {@link Executor.list} reads every journal again: hints may be lost, and an adopted supervisor may have been killed. */
const sweepMilliseconds = 2000
/** Milliseconds that {@link Executor.close} waits for preparations to end. */
const closeWithinMs = 10_000

/** Runs attempts in containers of the OCI runtime. Each has a supervisor process that outlives this one. */
export function createOciExecutor(options: OciExecutorOptions): OciExecutor {
  return new Oci(options)
}

/** What exists between `open()` and `close()`. */
interface Opened {
  readonly machine: Machine
  readonly forkServer: ForkServer
  readonly supervision: Supervision
  readonly hints: Hints
  /** File descriptor of supervisors.log. */
  readonly supervisorsLog: number
}

class Oci implements OciExecutor {
  readonly name = 'oci'
  arc?: ArcLooks
  readonly #options: OciExecutorOptions
  readonly #folders: Folders
  readonly #logs: AttemptLogs
  readonly #sharedFiles: SharedFiles
  readonly #gpus = new GpuPool()
  readonly #attempts = new Map<string, Attempt>()
  /** Removals of forgotten attempts that still go on. */
  readonly #removals = new Map<string, Promise<void>>()
  readonly #changeListeners: (() => void)[] = []
  readonly #eventListeners: ((event: ExecutorEvent) => void)[] = []
  #opened: Opened | undefined
  #sweptAt = 0
  #closed = false

  constructor(options: OciExecutorOptions) {
    this.#options = options
    this.#folders = foldersOf(options.dataDir)
    this.#logs = new AttemptLogs(this.#folders, (attemptId) => this.#runningLog(attemptId))
    this.#sharedFiles = new SharedFiles(this.#folders.names)
  }

  nodes(): Promise<readonly Node[]> {
    return Promise.resolve([{ name: hostname(), ...this.#options.capacity }])
  }

  async open(): Promise<void> {
    const { network, log } = this.#options
    const folders = this.#folders
    const machine = await readMachine(this.#options.instance)
    const { attempts, logs, scratch, rootfs, homes, projects } = folders
    for (const folder of [attempts, logs, scratch, rootfs]) await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const folder of [homes, projects]) await mkdir(folder, { recursive: true })
    const attemptIds = await readdir(attempts)
    await requireOwnAttempts(attempts, attemptIds, machine.bootId)
    await this.#warnOfMissingGpus()
    await requireOverlay(this.#options.dataDir, machine)
    const supervisorsLog = openSync(folders.supervisorsLog, 'a', 0o600)
    await makeSupervisorGroups(machine.cgroups)
    const forkServer = new ForkServer(machine.architecture, supervisorFolders(machine.cgroups), supervisorsLog)
    const { bootId } = machine
    const onChange = (): void => {
      for (const listener of this.#changeListeners) listener()
    }
    const onEvent = (event: ExecutorEvent): void => {
      for (const listener of this.#eventListeners) listener(event)
    }
    const ids = (account: Account): ContainerIds =>
      machine.rootless
        ? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, additionalGids: process.getgroups?.() ?? [] }
        : containerIds(account, false)
    this.arc = new ArcLooks({
      architecture: machine.architecture,
      rootless: machine.rootless,
      ownRoot: machine.ownRoot,
      view: rootfs,
      homes,
      projects,
      ids: (account) => containerIds(account, machine.rootless),
      log,
    })
    this.arc.open()
    const supervision = new Supervision({
      folders,
      bootId,
      ids,
      forkServer,
      network,
      gpus: this.#gpus,
      log,
      onChange,
      onEvent,
    })
    const hints = await openHints(folders.hints, (hint) => {
      const attempt = this.#attempts.get(hint.attemptId)
      if (attempt !== undefined) supervision.own(supervision.hear(attempt, hint), hint.attemptId)
    })
    this.#opened = { machine, forkServer, supervision, hints, supervisorsLog }
    for (const id of attemptIds)
      await recoverAttempt(id, { folders, bootId, supervision, network, gpus: this.#gpus, log }, (attempt) => {
        this.#attempts.set(id, attempt)
      })
    // Contents change with accounts and images. Only containers that are just being made still open these files by name.
    if ([...this.#attempts.values()].every(({ observed }) => observed.phase !== 'preparing'))
      await this.#sharedFiles.clear()
  }

  start(spec: AttemptSpec): Promise<void> {
    if (this.#attempts.has(spec.id)) return Promise.resolve()
    const { machine, supervision } = this.#parts()
    const { images, network, log } = this.#options
    const attempt = new Attempt(spec, this.#options.logLimitBytes ?? 64 * 1024 ** 2)
    const abort = new AbortController()
    this.#attempts.set(spec.id, attempt)
    const done = prepareAttempt(attempt, abort.signal, {
      folders: this.#folders,
      sharedFiles: this.#sharedFiles,
      machine,
      runtime: this.#options.runtime ?? 'runc',
      pidsLimit: this.#options.pidsLimit ?? 4096,
      umask: this.#options.umask,
      boundProcessors: () => [...this.#attempts.values()].flatMap((one) => (one.ended ? [] : [one.processors])),
      images,
      network,
      gpus: this.#gpus,
      gpuFolders: this.#options.gpuFolders ?? {},
      supervision,
      log,
      onEvent: (event) => {
        for (const listener of this.#eventListeners) listener(event)
      },
      removalOf: (attemptId) => this.#removals.get(attemptId),
    })
    attempt.custody = { type: 'preparing', abort, done }
    supervision.own(done, attempt.id)
    return Promise.resolve()
  }

  async stop(attemptId: string, graceSeconds: number): Promise<void> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.ended) return
    const { machine, supervision } = this.#parts()
    attempt.stopAsked = true
    if (attempt.custody.type === 'preparing') {
      // Nothing of it runs, and nothing starts any more. What it was fetching and unpacking is removed meanwhile.
      attempt.custody.abort.abort(new Error('The attempt was stopped.'))
      supervision.endUnstarted(attempt, stoppedBeforeStart)
      return
    }
    const folder = this.#folder(attemptId)
    await writeGrace(folder, graceSeconds)
    const { identity, stage } = await findAttempt(folder, machine.bootId)
    // The attempt has ended meanwhile, and its supervisor may have removed its files before the grace period was written.
    if (stage === 'ended' || stage === 'cleaned') await removeGrace(folder)
    // A supervisor that has not written its identity yet finds the grace period in the folder before it starts anything.
    if (identity !== undefined) await signalSupervisor(identity, machine.bootId)
  }

  async signal(attemptId: string, signal: WarningSignal): Promise<WarningOutcome> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.ended) return 'not-running'
    const { machine } = this.#parts()
    const folder = this.#folder(attemptId)
    const { identity } = await findAttempt(folder, machine.bootId)
    const pid = identity === undefined ? undefined : await firstProcess(folder, identity, machine.bootId)
    if (pid === undefined) return 'not-running'
    return (await warnProcesses(pid, procsFile(machine.cgroups, attemptId), signal)) > 0 ? 'sent' : 'not-handled'
  }

  async list(): Promise<readonly Observed[]> {
    if (Date.now() - this.#sweptAt >= sweepMilliseconds) {
      this.#sweptAt = Date.now()
      const { supervision } = this.#parts()
      await Promise.all([...this.#attempts.values()].map((attempt) => supervision.look(attempt)))
    }
    return [...this.#attempts.values()].map(({ observed }) => observed)
  }

  async forget(attemptId: string): Promise<void> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined) return
    if (!attempt.ended) throw new Error(`Attempt ${attemptId} has not ended; it cannot be forgotten.`)
    // Before it is no longer listed: a reader would take the line in the place of missing bytes for output.
    await noteGap(this.#folders, attemptId, attempt.evidence ?? {})
    if (!this.#attempts.delete(attemptId)) return
    // A supervisor may still remove its files. The log is moved once nothing works in the folder any more.
    const removal = attempt.settled
      .then(async () => {
        if (this.#closed) return
        const { forkServer } = this.#parts()
        if (!(await forkServer.forget(this.#folder(attemptId), keptLogPath(this.#folders, attemptId))))
          await keepOnlyLog(this.#folders, attemptId)
      })
      .finally(() => this.#removals.delete(attemptId))
    this.#removals.set(attemptId, removal)
    this.#parts().supervision.own(removal, attemptId)
  }

  async usage(attemptId: string): Promise<Usage | undefined> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.observed.phase !== 'running') return undefined
    return sampleUsage(attempt, this.#parts().machine.cgroups)
  }

  logSize(attemptId: string): Promise<number | undefined> {
    return this.#logs.size(attemptId)
  }

  readLog(attemptId: string, range: LogRange): AsyncIterable<Uint8Array> {
    return this.#logs.read(attemptId, range)
  }

  followLog(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#logs.follow(attemptId, start, signal)
  }

  output(attemptId: string, from: number): Promise<Output | undefined> {
    return this.#logs.output(attemptId, from)
  }

  readOutput(attemptId: string, start: number, end: number): AsyncIterable<Uint8Array> {
    return this.#logs.readOutput(attemptId, start, end)
  }

  followOutput(attemptId: string, start: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#logs.followOutput(attemptId, start, signal)
  }

  deleteLog(attemptId: string): Promise<void> {
    return this.#logs.delete(attemptId)
  }

  onChange(listener: () => void): void {
    this.#changeListeners.push(listener)
  }

  onEvent(listener: (event: ExecutorEvent) => void): void {
    this.#eventListeners.push(listener)
  }

  limitsThatHold(): Limits & { readonly missing: readonly string[] } {
    const limits = limitsOf(this.#parts().machine.cgroups)
    return { ...limits, missing: limitsText(limits) }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const opened = this.#opened
    if (opened === undefined) return
    await opened.hints.close()
    opened.supervision.close()
    this.arc?.close()
    const preparations: Promise<void>[] = []
    for (const { custody } of this.#attempts.values())
      if (custody.type === 'preparing') {
        custody.abort.abort(new Error('The platform is stopping.'))
        preparations.push(custody.done)
      }
    // A tool that does not end, as on a disk that hangs, must not keep the server: the next one removes what it leaves.
    await within(closeWithinMs, Promise.allSettled(preparations))
    // The next server finds a forgotten attempt that is not settled yet, and forgets it again.
    await within(closeWithinMs, opened.forkServer.close())
    await removeCgroupParents(opened.machine.cgroups)
    closeSync(opened.supervisorsLog)
  }

  async #warnOfMissingGpus(): Promise<void> {
    const { capacity, gpuFolders, log } = this.#options
    if (capacity.gpus === 0) return
    const { gpus } = await readGpuDevices(gpuFolders?.devices)
    if (gpus.size < capacity.gpus)
      log.warn(
        { configured: capacity.gpus, found: gpus.size },
        'capacity.gpus is more than the NVIDIA device nodes in /dev',
      )
  }

  #runningLog(attemptId: string): RunningLog | undefined {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined) return undefined
    return {
      logLimitBytes: attempt.logLimitBytes,
      get joined() {
        return attempt.ended ? (attempt.evidence ?? {}) : undefined
      },
      changed: attempt.changed,
      wake: attempt.wake,
    }
  }

  #folder(attemptId: string): string {
    return join(this.#folders.attempts, attemptId)
  }

  #parts(): Opened {
    if (this.#opened === undefined) throw new Error('The oci executor is not open.')
    return this.#opened
  }
}

/** Resolves with the work, or after a time. */
function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    void work.finally(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
