import { join } from 'node:path'
import type { Cause } from '@science-platform/contract'
import type { Logger } from 'pino'
import { diskFull, stoppedBeforeStart, type ProgramFacts } from '../../causes.ts'
import { readShortLog } from '../../log/attempt-log.ts'
import { findAttempt, type FoundAttempt } from '../attempt/attempt-folder.ts'
import type { Retry } from '../../executor.ts'
import type { Attempt } from '../attempt/attempt.ts'
import { endingOf, exitCodeOf, lostEvidence, programOf, type EndEvidence } from '../attempt/ending.ts'
import { lookAtProgram } from '../container/program-look.ts'
import type { ContainerIds } from '../../container-user.ts'
import type { Folders } from '../attempt/folders.ts'
import type { ObservedMemoryKills } from '../attempt/journal.ts'
import { isMemoryKillEventDue, memoryKillText } from '../../../job/memory-kills.ts'
import type { Account } from '../../account.ts'
import type { ExecutorEvent } from '../../executor.ts'
import { readIfThere } from '../../../lib/files.ts'
import type { GpuPool } from '../gpu/gpu-pool.ts'
import type { IsolatedNetwork } from '../network/network.ts'
import type { ForkServer, SupervisorExit } from './fork-server.ts'
import type { Hint } from './hints.ts'
import { isAlive } from './supervisor.ts'

/** What {@link Supervision} works with. */
export interface SupervisionParts {
  readonly folders: Folders
  readonly bootId: string
  /** The ids that an account's processes have on this machine. */
  readonly ids: (account: Account) => ContainerIds
  readonly forkServer: ForkServer
  readonly network: Pick<IsolatedNetwork, 'release'> | undefined
  readonly gpus: Pick<GpuPool, 'release'>
  readonly log: Logger
  /** Called after an attempt has started or ended. */
  readonly onChange: () => void
  readonly onEvent: (event: ExecutorEvent) => void
}

/** Supervisors that may fail to clean up after one attempt before the next one waits for {@link cleanAgainMs}. */
const cleaningLimit = 3
/** Milliseconds before the next try to clean up: what stands in the way, such as a full disk, may pass. */
const cleanAgainMs = 10_000

/** Starts supervisors, reads what they report, and sees every attempt to its end. */
export class Supervision {
  readonly #parts: SupervisionParts
  #closed = false

  constructor(parts: SupervisionParts) {
    this.#parts = parts
  }

  /** Starts a supervisor for a prepared attempt (`run`), or one that cleans up after a killed supervisor (`clean`). */
  start(attempt: Attempt, mode: 'run' | 'clean', input = ''): void {
    attempt.custody = { type: 'child' }
    this.own(this.#supervise(attempt, mode, input), attempt.id)
  }

  /** Runs a supervisor to its end, for an attempt that this server does not list. */
  fork(mode: 'run' | 'clean', attemptId: string, input = ''): Promise<SupervisorExit> {
    return this.#parts.forkServer.fork(mode, this.#folder(attemptId), input)
  }

  /** Applies what a supervisor has just written to its journal; reads the journal where the hint does not say. */
  async hear(attempt: Attempt, hint: Hint): Promise<void> {
    const { startedAt, end, memoryKills } = hint
    if (startedAt === undefined && end === undefined && memoryKills === undefined) await this.look(attempt)
    else if (!this.#closed) await this.apply(attempt, hint)
  }

  /** Reads the journal of an attempt whose supervisor may have written, or may have been killed. */
  async look(attempt: Attempt): Promise<void> {
    const { custody } = attempt
    if (this.#closed || custody.type === 'preparing' || custody.type === 'settled') return
    const { bootId } = this.#parts
    if (!attempt.ended) await this.apply(attempt, await findAttempt(this.#folder(attempt.id), bootId))
    if (custody.type !== 'adopted' || (await isAlive(custody.identity, bootId))) return
    if (attempt.custody !== custody) return // another look has found it meanwhile
    attempt.custody = { type: 'settled' }
    await this.#afterSupervisor(attempt, {})
  }

  /** Applies what a journal says. An attempt only goes forward: preparing, running, ended. */
  async apply(attempt: Attempt, found: Pick<FoundAttempt, 'startedAt' | 'end' | 'memoryKills'>): Promise<void> {
    if (found.memoryKills !== undefined) this.#noteMemoryKills(attempt, found.memoryKills)
    if (found.end !== undefined) {
      const exitCode = exitCodeOf(found.end.status)
      const shortLog = exitCode === undefined || exitCode === 0 ? '' : await readShortLog(this.#folder(attempt.id))
      const program = await this.#lookAtProgram(attempt, found.end, shortLog)
      if (!attempt.ended) this.#end(attempt, found.end, shortLog, program)
    } else if (found.startedAt !== undefined && attempt.observed.phase === 'preparing') {
      attempt.observed = { ...attempt.observed, phase: 'running', startedAt: found.startedAt }
      attempt.wake()
      this.#parts.onChange()
    }
  }

  /** Ends an attempt whose command was never started and of which nothing is left. */
  endUnstarted(attempt: Attempt, cause: Cause, retry?: Retry): void {
    attempt.end({ at: Date.now(), cause, stopped: attempt.stopAsked, ...(retry === undefined ? {} : { retry }) })
    this.#parts.onChange()
  }

  /** Nothing is left to remove: returns the network. @param empty whether its supervisor has seen that no process is left. */
  async settle(attempt: Attempt, empty = false): Promise<void> {
    await this.#parts.network?.release(attempt.id, empty)
    this.#parts.gpus.release(attempt.id)
    attempt.settle()
  }

  /** Logs the failure of work that nothing awaits. */
  own(work: Promise<void>, attemptId: string): void {
    work.catch((error: unknown) => {
      this.#parts.log.error({ attemptId, err: error }, 'work on an attempt failed')
    })
  }

  /** Starts no more supervisors. Those that run outlive this server. */
  close(): void {
    this.#closed = true
  }

  async #supervise(attempt: Attempt, mode: 'run' | 'clean', input: string): Promise<void> {
    const exit = await this.fork(mode, attempt.id, input)
    const { code, failure, unknown } = exit
    if (failure !== undefined)
      this.#parts.log.error({ attemptId: attempt.id, failure }, 'a supervisor could not be started')
    // The fork server died. A second supervisor exits at once while the first one lives, and does its work where there is none.
    if (unknown && !this.#closed) await this.fork(mode, attempt.id, input)
    // Exit code 0: the journal is complete, everything is removed, and no process is left.
    if (code === 0 && attempt.ended) await this.settle(attempt, true)
    else await this.#afterSupervisor(attempt, exit)
  }

  /** The supervisor is gone. Either its work is complete, or it was killed and another one cleans up. */
  async #afterSupervisor(attempt: Attempt, { code, failure }: SupervisorExit): Promise<void> {
    if (this.#closed) return
    const folder = this.#folder(attempt.id)
    const found = await findAttempt(folder, this.#parts.bootId)
    await this.apply(attempt, found)
    if (found.supervised && found.identity !== undefined) {
      attempt.custody = { type: 'adopted', identity: found.identity }
      return
    }
    if (found.stage === 'cleaned' || found.stage === undefined) {
      if (!attempt.ended) this.#end(attempt, lostEvidence(Date.now()), '')
      await this.settle(attempt)
      return
    }
    if (found.stage === 'prepared' && !attempt.ended) {
      const message = failure ?? ((await readIfThere(join(folder, 'errors'))) ?? '').trim()
      const cause = attempt.stopAsked ? stoppedBeforeStart : supervisorFailure(message, code === noRoomExit)
      this.endUnstarted(attempt, cause)
    }
    this.#cleanUp(attempt, folder)
  }

  /** Reports kills for memory while the command may still run. An earlier server may have reported those of a journal. */
  #noteMemoryKills(attempt: Attempt, kills: ObservedMemoryKills): void {
    const before = attempt.memoryKills
    if (kills.count <= before) return
    attempt.memoryKills = kills.count
    if (!isMemoryKillEventDue(before, kills.count)) return
    const limitGb = attempt.spec.resources.memoryGb.limit
    this.#parts.onEvent({
      attemptId: attempt.id,
      at: kills.lastAt,
      type: 'Warning',
      reason: 'MemoryKill',
      message: memoryKillText({ ...kills, limitGb }),
      isRepeated: true,
    })
  }

  #cleanUp(attempt: Attempt, folder: string): void {
    attempt.cleanings += 1
    if (attempt.cleanings <= cleaningLimit) {
      this.start(attempt, 'clean')
      return
    }
    this.#parts.log.error({ attemptId: attempt.id, folder }, 'an attempt could not be cleaned up, retrying')
    if (!attempt.ended) this.#end(attempt, lostEvidence(Date.now()), '')
    // A server that stops leaves it to the next one.
    setTimeout(() => {
      if (!this.#closed) this.start(attempt, 'clean')
    }, cleanAgainMs).unref()
  }

  /** Finds out more about a program that could not be run. */
  async #lookAtProgram(attempt: Attempt, end: EndEvidence, shortLog: string): Promise<ProgramFacts | undefined> {
    const { spec, image } = attempt
    const program = programOf(end, shortLog)
    if (program === undefined || image === undefined) return undefined
    const { folders, ids } = this.#parts
    const places = {
      homeFolder: join(folders.homes, spec.account.name),
      projectsFolder: folders.projects,
      ids: ids(spec.account),
    }
    try {
      return await lookAtProgram(program, spec, image, places)
    } catch (error) {
      // The ending must not wait for an explanation of it.
      this.#parts.log.warn({ attemptId: attempt.id, err: error }, 'a program that could not be run was not found again')
      return undefined
    }
  }

  #end(attempt: Attempt, evidence: EndEvidence, shortLog: string, program?: ProgramFacts): void {
    if (evidence.startedAt !== undefined) attempt.observed = { startedAt: evidence.startedAt, ...attempt.observed }
    const context = { spec: attempt.spec, shortLog, ...(program === undefined ? {} : { program }) }
    attempt.end(endingOf(evidence, context), evidence)
    this.#parts.onChange()
  }

  #folder(attemptId: string): string {
    return join(this.#parts.folders.attempts, attemptId)
  }
}

/** Exit code of a supervisor that found no room on the disk, where there may be none to write the reason either (errno(3)). */
const noRoomExit = 28

function supervisorFailure(message: string, noRoom: boolean): Cause {
  if (noRoom || /no space left|quota exceeded/i.test(message))
    return diskFull(message || 'there was no room to start the container')
  return {
    code: 'start-failed',
    message:
      message === ''
        ? 'The supervisor of the attempt was killed before it started the command.'
        : `The supervisor failed: ${message}`,
    hint: 'Submit the job again. If this happens again, tell the operators of the platform.',
  }
}
