import type { Cause } from '@science-platform/contract'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import {
  cannotEnter,
  causeOfExit,
  execFailure,
  failedProgram,
  isEndedForMemory,
  notRunnable,
  outOfMemory,
  remainedText,
  runtimeFailure,
  stoppedBeforeStart,
  stoppedBySignal,
  type ProgramFacts,
} from '../../causes.ts'
import { entryFailure } from '../../entry/entry.ts'
import type { MemoryKills } from '../../../job/memory-kills.ts'
import type { AttemptSpec, Ending } from '../../executor.ts'
import { coresBetween, usageOf } from './usage.ts'

/** What a supervisor writes about the end (journal.ts): facts without a judgement. */
export const EndEvidence = Type.Object({
  /** Milliseconds since the epoch. */
  at: Type.Number(),
  /** Whether the attempt was stopped before it ended. */
  stopped: Type.Boolean(),
  /** Whether the supervisor sent SIGKILL because the grace period was over. */
  killed: Type.Boolean(),
  /** Whether the supervisor was killed, so that the end was not observed. */
  lost: Type.Boolean(),
  /** Milliseconds since the epoch; absent when the command was never started. */
  startedAt: Type.Optional(Type.Number()),
  /** Wait status of the container's first process (wait(2)); absent when it never started, or its end was not observed. */
  status: Type.Optional(Type.Integer()),
  /** Wait status of the runtime, when it failed. */
  runtimeStatus: Type.Optional(Type.Integer()),
  /** Output of the runtime, when it failed. */
  failure: Type.Optional(Type.String()),
  /** Whether the disk had no room for a container when the runtime failed. Absent in the evidence of older supervisors. */
  noRoom: Type.Optional(Type.Boolean()),
  /** Largest sample of the memory that the kernel cannot take back. Absent for short runs, and in the evidence of older supervisors. */
  residentPeak: Type.Optional(Type.Integer()),
  /** CPU seconds of the processes that the supervisor waited for. */
  childSeconds: Type.Optional(Type.Number()),
  /** Bytes of output that the disk had no room for. */
  lostBytes: Type.Integer(),
  /** When the log exceeded its limit: bytes kept of its beginning, bytes left out, and the length of the line between. */
  logHead: Type.Optional(Type.Integer()),
  logDropped: Type.Optional(Type.Integer()),
  logLine: Type.Optional(Type.Integer()),
  /** Processes that were still running when the first one had ended, or when the grace period was over; absent when there were none. */
  rest: Type.Optional(Type.Integer()),
  /** Names of some of them, with commas. */
  restNames: Type.Optional(Type.String()),
  /** Kills for memory that were seen as they happened. Absent in the evidence of older supervisors. */
  memoryKills: Type.Optional(Type.Integer()),
  /** Milliseconds since the epoch. */
  firstMemoryKillAt: Type.Optional(Type.Number()),
  lastMemoryKillAt: Type.Optional(Type.Number()),
  /** Files of the control group at the end, by name. */
  files: Type.Record(Type.String(), Type.String()),
})
export type EndEvidence = Static<typeof EndEvidence>

/** Reads the evidence; undefined when it is missing or incomplete, as after a power failure. */
export function parseEndEvidence(text: string | undefined): EndEvidence | undefined {
  if (text === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  return Value.Check(EndEvidence, value) ? value : undefined
}

/** The evidence of an end that was not observed. */
export const lostEvidence = (at: number): EndEvidence => ({
  at,
  stopped: false,
  killed: false,
  lost: true,
  lostBytes: 0,
  files: {},
})

/** What decides beside the evidence why an attempt ended. */
export interface EndContext {
  readonly spec: Pick<AttemptSpec, 'image' | 'account' | 'resources' | 'workingDirectory'>
  /** The whole log when it is short (see {@link execFailure}), otherwise ''. */
  readonly shortLog: string
  /** What was found out about the program of {@link programOf}. */
  readonly program?: ProgramFacts
}

/** The program that could not be run; undefined where the command ran. Pure. */
export function programOf(evidence: EndEvidence, shortLog: string): string | undefined {
  const exitCode = exitCodeOf(evidence.status)
  if (exitCode === undefined) return failedProgram(evidence.failure ?? '')?.program
  return execFailure(exitCode, shortLog)?.program
}

/** The ending that follows from the evidence: exit code, cause, usage. Pure. */
export function endingOf(evidence: EndEvidence, context: EndContext): Ending {
  const usage = finalUsage(evidence)
  const status = exitCodeOf(evidence.status)
  const notEntered = notEnteredCause(status, context)
  const exitCode = notEntered === undefined ? status : undefined
  const cause = notEntered ?? causeOf(evidence, exitCode, usage, context)
  const memoryKills = memoryKillsOf(evidence, usage, context)
  const { rest = 0, restNames = '', killed } = evidence
  return {
    at: evidence.at,
    ...(exitCode === undefined ? {} : { exitCode }),
    cause: rest === 0 ? cause : { ...cause, remarks: [remainedText(rest, restNames, killed)] },
    ...(Object.keys(usage).length === 0 ? {} : { usage }),
    ...(memoryKills === undefined ? {} : { memoryKills }),
    stopped: evidence.stopped,
  }
}

/** The cause of an attempt whose command did not run since its working directory could not be entered. */
function notEnteredCause(exitCode = 0, { spec, shortLog }: EndContext): Cause | undefined {
  const failure = spec.workingDirectory === undefined ? undefined : entryFailure(exitCode, shortLog)
  return failure === undefined ? undefined : cannotEnter(failure, spec)
}

function memoryKillsOf(
  { memoryKills = 0, firstMemoryKillAt, lastMemoryKillAt }: EndEvidence,
  { oomKills = 0 }: NonNullable<Ending['usage']>,
  { spec }: EndContext,
): MemoryKills | undefined {
  const count = Math.max(memoryKills, oomKills)
  if (count === 0) return undefined
  return {
    count,
    ...(firstMemoryKillAt === undefined ? {} : { firstAt: firstMemoryKillAt }),
    ...(lastMemoryKillAt === undefined ? {} : { lastAt: lastMemoryKillAt }),
    limitGb: spec.resources.memoryGb.limit,
  }
}

/** 0 to 255, 128 + N after signal N, from a wait status (wait(2)). */
export const exitCodeOf = (status: number | undefined): number | undefined =>
  status === undefined ? undefined : (status & 127) === 0 ? (status >> 8) & 255 : 128 + (status & 127)

function finalUsage(evidence: EndEvidence): NonNullable<Ending['usage']> {
  const { residentPeak } = evidence
  const measured = {
    ...usageOf(evidence.files),
    ...(residentPeak === undefined ? {} : { residentPeakBytes: residentPeak }),
  }
  const cpuSeconds = measured.cpuSeconds ?? (evidence.status === undefined ? undefined : evidence.childSeconds)
  if (cpuSeconds === undefined) return measured
  const cores =
    evidence.startedAt === undefined
      ? undefined
      : coresBetween({ at: evidence.startedAt, cpuSeconds: 0 }, { at: evidence.at, cpuSeconds })
  return { ...measured, cpuSeconds, ...(cores === undefined ? {} : { cores }) }
}

function causeOf(
  evidence: EndEvidence,
  exitCode: number | undefined,
  usage: NonNullable<Ending['usage']>,
  { spec, shortLog, program }: EndContext,
): Cause {
  if (evidence.lost)
    return {
      code: 'lost',
      message: 'The supervisor of the job was killed, so how the command ended is not known.',
      hint: 'The log shows how far the job came. Submit it again.',
    }
  if (exitCode === undefined) {
    if (evidence.stopped) return stoppedBeforeStart
    return runtimeFailure(evidence.failure ?? '', spec, evidence.noRoom, program)
  }
  const notRun = execFailure(exitCode, shortLog)
  if (notRun !== undefined)
    return notRunnable(notRun.program, notRun.reason, spec, { ...program, isThere: notRun.isThere })
  if (isEndedForMemory(exitCode, usage.oomKills ?? 0))
    return outOfMemory(spec.resources.memoryGb.limit, usage.memoryPeakBytes)
  const stop = evidence.stopped ? stoppedBySignal(exitCode, evidence.killed) : undefined
  return stop ?? causeOfExit({ exitCode, isSignal: ((evidence.status ?? 0) & 127) !== 0 })
}
