import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readdir, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Cause, Usage, WarningSignal } from '@science-platform/contract'
import type { Logger } from 'pino'
import { ImageError } from '../../image/fetch/image-error.ts'
import type { LocalImages, PreparedImage } from '../../image/store/local-images.ts'
import type { AttemptSpec, Executor, ExecutorEvent, LogRange, Node, Observed } from '../executor.ts'
import { Attempt } from './attempt/attempt.ts'
import {
  findAttempt,
  keepOnlyLog,
  readShortLog,
  removeAttempt,
  writeAttemptFolder,
  type ContainerNetwork,
  type FoundAttempt,
} from './attempt/attempt-folder.ts'
import { AttemptLogs, type RunningLog } from '../log/attempt-log.ts'
import { commandOf } from './container/bundle.ts'
import { usageFiles } from './container/cgroups.ts'
import { diskFull, stoppedBeforeStart } from '../causes.ts'
import { endingOf, exitCodeOf, lostEvidence, type EndEvidence } from './attempt/ending.ts'
import { judge } from './attempt/evidence.ts'
import { ifThere, isDiskFull, readIfThere } from '../../lib/files.ts'
import { foldersOf, type Folders } from './attempt/folders.ts'
import { openHints, type Hints } from './supervisor/hints.ts'
import type { Stage } from './attempt/journal.ts'
import {
  limitsOf,
  limitsText,
  readMachine,
  removeCgroupParents,
  type Limits,
  type Machine,
} from './container/machine.ts'
import { hostHosts, hostResolvConf, noNetworkHosts } from './attempt/names.ts'
import type { IsolatedNetwork } from './network/network.ts'
import { ForkServer, type SupervisorExit } from './supervisor/fork-server.ts'
import { unknownRecord } from './attempt/record.ts'
import { SharedFiles } from './attempt/shared-files.ts'
import { isAlive, removeGrace, signalContainer, signalSupervisor, writeGrace } from './supervisor/supervisor.ts'
import { coresBetween, usageOf } from './attempt/usage.ts'
import { printReference } from '../../job/image-reference.ts'

/** Settings of {@link createOciExecutor}. */
export interface OciExecutorOptions {
  /** Absolute path of the data folder; see {@link Folders} for what is kept in it. */
  readonly dataDir: string
  /** A short name of the data folder, for the control groups: letters, digits and hyphens. */
  readonly instance: string
  /** What this machine offers to jobs. */
  readonly capacity: Omit<Node, 'name'>
  readonly images: Pick<LocalImages, 'prepare'>
  /** For jobs whose network is `isolated`, and then the default. Without it the default is `host`. It must be open. */
  readonly network?: IsolatedNetwork
  /** The OCI runtime: a name looked for in PATH, or a path. @defaultValue 'runc' */
  readonly runtime?: string
  /** Bytes of output kept of an attempt. @defaultValue 67108864 (64 MiB) */
  readonly logLimitBytes?: number
  /** Processes and threads that an attempt may have at once. @defaultValue 4096 */
  readonly pidsLimit?: number
  readonly log: Logger
}

/** The executor for one machine without daemons. */
export interface OciExecutor extends Executor {
  /** Which limits hold on this machine, and a sentence for each that does not. Known after `open()`. */
  limitsThatHold(): Limits & { readonly missing: readonly string[] }
}

/** Milliseconds after which {@link Executor.list} looks at every attempt itself: hints may be missed, and only this finds a supervisor that was killed. */
const sweepMilliseconds = 2000

/** Runs attempts in containers of the OCI runtime, each owned by a supervisor process that outlives this one. */
export function createOciExecutor(options: OciExecutorOptions): OciExecutor {
  return new Oci(options)
}

class Oci implements OciExecutor {
  readonly name = 'oci'
  readonly #options: OciExecutorOptions
  readonly #folders: Folders
  readonly #logs: AttemptLogs
  readonly #sharedFiles: SharedFiles
  readonly #attempts = new Map<string, Attempt>()
  readonly #changeListeners: (() => void)[] = []
  readonly #eventListeners: ((event: ExecutorEvent) => void)[] = []
  /** Work that goes on in the background; its failures are logged. */
  readonly #background = new Set<Promise<void>>()
  /** Attempts that were forgotten, and of which more is there than the log. */
  readonly #leaving = new Map<string, Promise<void>>()
  #machine: Machine | undefined
  #hints: Hints | undefined
  #supervisorsLog: number | undefined
  #forkServer: ForkServer | undefined
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
    this.#machine = await readMachine(this.#options.instance)
    const { attempts, logs, scratch, rootfs, homes, projects, hints, supervisorsLog } = this.#folders
    for (const folder of [attempts, logs, scratch, rootfs]) await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const folder of [homes, projects]) await mkdir(folder, { recursive: true })
    this.#supervisorsLog = openSync(supervisorsLog, 'a', 0o600)
    this.#forkServer = new ForkServer(this.#machine.architecture, this.#supervisorsLog)
    this.#hints = await openHints(hints, (attemptId) => {
      const attempt = this.#attempts.get(attemptId)
      if (attempt !== undefined) this.#own(this.#look(attempt), attemptId)
    })
    for (const id of await readdir(attempts)) await this.#recover(id)
  }

  start(spec: AttemptSpec): Promise<void> {
    if (this.#attempts.has(spec.id)) return Promise.resolve()
    const attempt = new Attempt(spec, this.#options.logLimitBytes ?? 64 * 1024 ** 2)
    const abort = new AbortController()
    this.#attempts.set(spec.id, attempt)
    const done = this.#prepare(attempt, abort.signal)
    attempt.custody = { type: 'preparing', abort, done }
    this.#own(done, attempt.id)
    return Promise.resolve()
  }

  async stop(attemptId: string, graceSeconds: number): Promise<void> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.ended) return
    attempt.stopAsked = true
    if (attempt.custody.type === 'preparing') {
      attempt.custody.abort.abort(new Error('The attempt was told to end.'))
      await attempt.custody.done
      if (attempt.ended) return
    }
    const folder = this.#folder(attemptId)
    await writeGrace(folder, graceSeconds)
    const { bootId } = this.#known()
    const { identity, stage } = await findAttempt(folder, bootId)
    // It has ended meanwhile, and what it left may have been removed before this was written.
    if (stage === 'ended' || stage === 'cleaned') await removeGrace(folder)
    // One that has not told who it is yet finds the grace period in its folder before it starts anything.
    if (identity !== undefined) await signalSupervisor(identity, bootId)
  }

  async signal(attemptId: string, signal: WarningSignal): Promise<boolean> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.ended) return false
    const folder = this.#folder(attemptId)
    const { bootId } = this.#known()
    const { identity } = await findAttempt(folder, bootId)
    return identity !== undefined && (await signalContainer(folder, identity, bootId, signal))
  }

  async list(): Promise<readonly Observed[]> {
    if (Date.now() - this.#sweptAt >= sweepMilliseconds) {
      this.#sweptAt = Date.now()
      await Promise.all([...this.#attempts.values()].map((attempt) => this.#look(attempt)))
    }
    return [...this.#attempts.values()].map(({ observed }) => observed)
  }

  forget(attemptId: string): Promise<void> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined) return Promise.resolve()
    if (!attempt.ended) throw new Error(`Attempt ${attemptId} has not ended; it cannot be forgotten.`)
    this.#attempts.delete(attemptId)
    // Its files may still be being removed; the log is moved when nobody works in the folder any more.
    const left = attempt.settled
      .then(async () => {
        if (!this.#closed) await keepOnlyLog(this.#folders, attemptId)
      })
      .finally(() => this.#leaving.delete(attemptId))
    this.#leaving.set(attemptId, left)
    this.#own(left, attemptId)
    return Promise.resolve()
  }

  async usage(attemptId: string): Promise<Usage | undefined> {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.observed.phase !== 'running') return undefined
    const files: Record<string, string> = {}
    for (const { name, path } of usageFiles(this.#known().cgroups, attemptId, 'now')) {
      const text = await readIfThere(path)
      if (text !== undefined) files[name] = text
    }
    const usage = usageOf(files)
    const { cpuSeconds } = usage
    if (cpuSeconds === undefined) return Object.keys(usage).length === 0 ? undefined : usage
    const at = Date.now()
    const before = attempt.sample ?? { at: attempt.observed.startedAt ?? at, cpuSeconds: 0, cores: undefined }
    const measured = coresBetween(before, { at, cpuSeconds })
    const cores = measured ?? before.cores
    if (measured !== undefined) attempt.sample = { at, cpuSeconds, cores }
    return { ...usage, ...(cores === undefined ? {} : { cores }) }
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
    const limits = limitsOf(this.#known().cgroups)
    return { ...limits, missing: limitsText(limits) }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#hints?.close()
    for (const { custody } of this.#attempts.values())
      if (custody.type === 'preparing') custody.abort.abort(new Error('The platform is stopping.'))
    const preparing = [...this.#attempts.values()].flatMap(({ custody }) =>
      custody.type === 'preparing' ? [custody.done] : [],
    )
    await Promise.allSettled(preparing)
    // A forgotten attempt that is not settled yet is found again by the next server, and forgotten again.
    if (this.#machine !== undefined) await removeCgroupParents(this.#machine.cgroups)
    this.#forkServer?.close()
    if (this.#supervisorsLog !== undefined) closeSync(this.#supervisorsLog)
  }

  /** Decides what an earlier server left of an attempt, and takes it over. */
  async #recover(id: string): Promise<void> {
    const { bootId } = this.#known()
    const found = await findAttempt(this.#folder(id), bootId)
    const judgement = judge(found)
    this.#options.log.info({ attemptId: id, judgement, stage: found.stage }, 'found an attempt')
    this.#options.network?.adopt(id)
    if (judgement === 'discard') {
      await this.#discard(id, found.stage)
      return
    }
    const record = found.record ?? unknownRecord(id)
    const attempt = new Attempt(record.spec, record.logLimitBytes)
    this.#attempts.set(id, attempt)
    if (record.imageDigest !== '') attempt.observed = { ...attempt.observed, imageDigest: record.imageDigest }
    if (judgement === 'watch' && found.identity !== undefined)
      attempt.custody = { type: 'adopted', identity: found.identity }
    await this.#learn(attempt, found)
    if (judgement === 'clean') this.#supervise(attempt, 'clean')
    if (judgement === 'keep') await this.#settle(attempt)
  }

  /** Removes an attempt whose command was never started, unless a supervisor that was only just starting was faster. */
  async #discard(id: string, stage: Stage | undefined): Promise<void> {
    if (stage === 'prepared') {
      const { failure } = await this.#raise('clean', id)
      if (failure !== undefined) throw new Error(`Attempt ${id} could not be cleaned up: ${failure}`)
      const found = await findAttempt(this.#folder(id), this.#known().bootId)
      if (found.stage !== 'cleaned' && found.stage !== 'prepared') return this.#recover(id)
    }
    await this.#options.network?.release(id)
    await removeAttempt(this.#folders, id)
  }

  /** From the image to a running supervisor. Whatever fails becomes the attempt's ending. */
  async #prepare(attempt: Attempt, signal: AbortSignal): Promise<void> {
    const { spec } = attempt
    try {
      requireSafeNames(spec)
      const leaving = this.#leaving.get(spec.id)
      if (leaving !== undefined) await Promise.race([leaving, once(signal, 'abort')])
      signal.throwIfAborted()
      if ((await ifThere(stat(join(this.#folders.logs, `${spec.id}.log`)))) !== undefined)
        throw new Error(`attempt ${spec.id} has run and was forgotten; it does not run twice`)
      const image = await this.#options.images.prepare(spec.image, {
        ...(spec.imageDigest === undefined ? {} : { digest: spec.imageDigest }),
        ...(spec.registryAuth === undefined ? {} : { registryAuth: spec.registryAuth }),
        signal,
        onProgress: (reason, message) => {
          this.#tell(spec.id, 'Normal', reason, message)
        },
      })
      attempt.observed = { ...attempt.observed, imageDigest: image.digest }
      if (commandOf(spec, image).length === 0) {
        this.#endUnstarted(attempt, nothingToRun(image))
        return
      }
      const machine = this.#known()
      if (machine.init === undefined)
        this.#tell(
          spec.id,
          'Warning',
          'NoInit',
          'The machine has no tini-static: a program without a SIGTERM handler only ends by SIGKILL.',
        )
      const network = await this.#networkFor(spec, machine)
      signal.throwIfAborted()
      await writeAttemptFolder(spec, image, network, {
        folders: this.#folders,
        sharedFiles: this.#sharedFiles,
        machine,
        runtime: this.#options.runtime ?? 'runc',
        logLimitBytes: attempt.logLimitBytes,
        pidsLimit: this.#options.pidsLimit ?? 4096,
      })
      signal.throwIfAborted()
      this.#supervise(attempt, 'run')
    } catch (error) {
      await this.#options.network?.release(spec.id)
      await removeAttempt(this.#folders, spec.id)
      // A closing server leaves it to the next one to begin again.
      if (!this.#closed || attempt.stopAsked) this.#endUnstarted(attempt, this.#causeOf(attempt, error))
    }
  }

  #causeOf(attempt: Attempt, error: unknown): Cause {
    if (attempt.stopAsked) return stoppedBeforeStart
    if (error instanceof ImageError) return error.why
    this.#options.log.warn({ attemptId: attempt.id, err: error }, 'an attempt could not be prepared')
    const message = error instanceof Error ? error.message : String(error)
    if (isDiskFull(error)) return diskFull(message)
    return { code: 'start-failed', message: `The container could not be prepared: ${message}` }
  }

  #endUnstarted(attempt: Attempt, cause: Cause): void {
    attempt.settle()
    attempt.end({ at: Date.now(), cause, stopped: attempt.stopAsked })
    this.#changed()
  }

  async #networkFor(spec: AttemptSpec, machine: Machine): Promise<ContainerNetwork> {
    const { network } = this.#options
    const type = spec.network ?? (network === undefined ? 'host' : 'isolated')
    if (type === 'none') return { placement: { type }, resolvConf: '', hosts: noNetworkHosts(spec.name) }
    if (type === 'host')
      return { placement: { type }, resolvConf: await hostResolvConf(), hosts: await hostHosts(spec.name) }
    if (network === undefined || machine.rootless)
      throw new Error('its network is to be isolated, which takes a platform that runs as root; use none or host')
    const lease = await network.acquire(spec.id)
    return {
      placement: { type, namespacePath: lease.namespacePath },
      resolvConf: lease.resolvConf,
      hosts: lease.hosts(spec.name),
    }
  }

  /** Starts a supervisor, or one that cleans up after a killed one, and sees it to its end. */
  #supervise(attempt: Attempt, mode: 'run' | 'clean'): void {
    attempt.custody = { type: 'child' }
    const seen = async (): Promise<void> => {
      const exit = await this.#raise(mode, attempt.id)
      const { code, failure, unknown } = exit
      if (failure !== undefined)
        this.#options.log.error({ attemptId: attempt.id, failure }, 'a supervisor could not be started')
      // A second one ends at once where the first one lives, and does its work where it was never born.
      if (unknown && !this.#closed) await this.#raise(mode, attempt.id)
      // 0: it has told and cleaned everything, so there is nothing to ask but what it told.
      if (code === 0 && attempt.ended) await this.#settle(attempt)
      else await this.#afterSupervisor(attempt, exit)
    }
    this.#own(seen(), attempt.id)
  }

  #raise(mode: 'run' | 'clean', id: string): Promise<SupervisorExit> {
    if (this.#forkServer === undefined) throw new Error('The executor is not open.')
    return this.#forkServer.raise(mode, this.#folder(id))
  }

  /** The supervisor is gone: is everything told and tidy, or was it killed? */
  async #afterSupervisor(attempt: Attempt, { code, failure }: SupervisorExit): Promise<void> {
    if (this.#closed) return
    const folder = this.#folder(attempt.id)
    const found = await findAttempt(folder, this.#known().bootId)
    await this.#learn(attempt, found)
    if (found.supervised && found.identity !== undefined) {
      attempt.custody = { type: 'adopted', identity: found.identity }
      return
    }
    if (found.stage === 'cleaned' || found.stage === undefined) {
      if (!attempt.ended) this.#end(attempt, lostEvidence(Date.now()), '')
      await this.#settle(attempt)
      return
    }
    if (found.stage === 'prepared' && !attempt.ended) {
      const said = failure ?? ((await readIfThere(join(folder, 'errors'))) ?? '').trim()
      const cause = attempt.stopAsked ? stoppedBeforeStart : supervisorFailure(said, code === noRoomExit)
      attempt.end({ at: Date.now(), cause, stopped: attempt.stopAsked })
      this.#changed()
    }
    attempt.cleanings += 1
    if (attempt.cleanings <= 3) {
      this.#supervise(attempt, 'clean')
      return
    }
    this.#options.log.error({ attemptId: attempt.id, folder }, 'an attempt could not be cleaned up; it is tried again')
    if (!attempt.ended) this.#end(attempt, lostEvidence(Date.now()), '')
    // What stands in the way, such as a full disk, may pass. A server that stops leaves it to the next one.
    setTimeout(() => {
      if (!this.#closed) this.#supervise(attempt, 'clean')
    }, cleanAgainMs).unref()
  }

  #end(attempt: Attempt, evidence: EndEvidence, shortLog: string): void {
    if (evidence.startedAt !== undefined) attempt.observed = { startedAt: evidence.startedAt, ...attempt.observed }
    attempt.end(endingOf(evidence, { spec: attempt.spec, shortLog }), evidence)
    this.#changed()
  }

  async #settle(attempt: Attempt): Promise<void> {
    await this.#options.network?.release(attempt.id)
    attempt.settle()
  }

  /** Looks at what the supervisor has written since, and whether it still lives. */
  async #look(attempt: Attempt): Promise<void> {
    const { custody } = attempt
    if (this.#closed || custody.type === 'preparing' || custody.type === 'settled') return
    if (!attempt.ended) await this.#learn(attempt, await findAttempt(this.#folder(attempt.id), this.#known().bootId))
    if (custody.type !== 'adopted' || (await isAlive(custody.identity, this.#known().bootId))) return
    if (attempt.custody !== custody) return // somebody else has seen it too
    attempt.custody = { type: 'settled' }
    await this.#afterSupervisor(attempt, {})
  }

  /** Takes over what was found. An attempt only goes on: from preparing to running to ended. */
  async #learn(attempt: Attempt, found: FoundAttempt): Promise<void> {
    if (found.end !== undefined) {
      const exitCode = exitCodeOf(found.end.status)
      const shortLog = exitCode === undefined || exitCode === 0 ? '' : await readShortLog(this.#folder(attempt.id))
      if (!attempt.ended) this.#end(attempt, found.end, shortLog)
    } else if (found.startedAt !== undefined && attempt.observed.phase === 'preparing') {
      attempt.observed = { ...attempt.observed, phase: 'running', startedAt: found.startedAt }
      attempt.wake()
      this.#changed()
    }
  }

  #runningLog(attemptId: string): RunningLog | undefined {
    const attempt = this.#attempts.get(attemptId)
    if (attempt === undefined || attempt.ended) return undefined
    return {
      logLimitBytes: attempt.logLimitBytes,
      get joined() {
        return attempt.ended ? (attempt.evidence ?? {}) : undefined
      },
      changed: attempt.changed,
      wake: attempt.wake,
    }
  }

  #changed(): void {
    for (const listener of this.#changeListeners) listener()
  }

  #tell(attemptId: string, type: ExecutorEvent['type'], reason: string, message: string): void {
    for (const listener of this.#eventListeners) listener({ attemptId, at: Date.now(), type, reason, message })
  }

  #folder(attemptId: string): string {
    return join(this.#folders.attempts, attemptId)
  }

  #known(): Machine {
    if (this.#machine === undefined) throw new Error('The oci executor must be opened before it is used.')
    return this.#machine
  }

  /** Gives a promise that nobody awaits an owner. */
  #own(work: Promise<void>, attemptId: string): void {
    const owned = work.catch((error: unknown) => {
      this.#options.log.error({ attemptId, err: error }, 'work on an attempt failed')
    })
    this.#background.add(owned)
    void owned.finally(() => this.#background.delete(owned))
  }
}

/** How long to wait before an attempt is cleaned up again of which that failed several times. */
const cleanAgainMs = 10_000

/** Ids and names become paths: what is not plain is refused here too, whatever was checked before. */
function requireSafeNames({ id, account }: AttemptSpec): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(id))
    throw new Error(`The attempt id ${JSON.stringify(id)} holds more than letters, digits and hyphens.`)
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(account.name))
    throw new Error(`The account name ${JSON.stringify(account.name)} cannot be a folder's name.`)
}

const nothingToRun = (image: PreparedImage): Cause => ({
  code: 'command-not-found',
  message: `The image ${printReference(image.reference)} does not say what to run, and neither does the job.`,
  hint: 'Give a command: --cmd PROGRAM.',
})

/** Exit code of a supervisor that found no room on the disk, where there may be none to say so either (errno(3)). */
const noRoomExit = 28

function supervisorFailure(said: string, noRoom: boolean): Cause {
  if (noRoom || /no space left|quota exceeded/i.test(said)) return diskFull(said || 'there was no room to begin')
  return {
    code: 'start-failed',
    message:
      said === ''
        ? 'The supervisor of the attempt was killed before it started the command.'
        : `The supervisor failed: ${said}`,
    hint: 'Submit it again. If this happens again, it is for the people who run the platform.',
  }
}
