import type { Cause } from '@science-platform/contract'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import {
  causeOfExit,
  notRunnable,
  outOfMemory,
  runtimeFailure,
  stoppedBeforeStart,
  stoppedBySignal,
} from '../../causes.ts'
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
  readonly spec: Pick<AttemptSpec, 'image' | 'account' | 'resources'>
  /** The whole log when it is short (see {@link initFailure}), otherwise ''. */
  readonly shortLog: string
}

/** The ending that follows from the evidence: exit code, cause, usage. Pure. */
export function endingOf(evidence: EndEvidence, context: EndContext): Ending {
  const usage = finalUsage(evidence)
  const exitCode = exitCodeOf(evidence.status)
  return {
    at: evidence.at,
    ...(exitCode === undefined ? {} : { exitCode }),
    cause: causeOf(evidence, exitCode, usage, context),
    ...(Object.keys(usage).length === 0 ? {} : { usage }),
    stopped: evidence.stopped,
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
  { spec, shortLog }: EndContext,
): Cause {
  if (evidence.lost)
    return {
      code: 'lost',
      message: 'The supervisor of the job was killed, so how the command ended is not known.',
      hint: 'The log shows how far the job came. Submit it again.',
    }
  if (exitCode === undefined) {
    if (evidence.stopped) return stoppedBeforeStart
    return runtimeFailure(evidence.failure ?? '', spec, evidence.noRoom)
  }
  const notRun = initFailure(exitCode, shortLog, spec)
  if (notRun !== undefined) return notRun
  if (exitCode !== 0 && (usage.oomKills ?? 0) > 0)
    return outOfMemory(spec.resources.memoryGb.limit, usage.memoryPeakBytes)
  const stop = evidence.stopped ? stoppedBySignal(exitCode, evidence.killed) : undefined
  return stop ?? causeOfExit(exitCode)
}

/**
 * The cause when the init (tini) could not run the program: the log then holds its message and nothing else. A program that prints this
 * very line and exits with the same code is mistaken for one that did not run; that is harmless.
 */
export function initFailure(exitCode: number, shortLog: string, spec: EndContext['spec']): Cause | undefined {
  if (exitCode !== 1 && exitCode !== 126 && exitCode !== 127) return undefined
  const match = /^\[FATAL tini \(\d+\)\] exec ([^\n]*) failed: ([^\n]*)\n$/.exec(shortLog)
  return match === null ? undefined : notRunnable(match[1] ?? '', match[2] ?? '', spec)
}
