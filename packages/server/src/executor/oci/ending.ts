import type { Cause } from '@science-platform/contract'
import { constants } from 'node:os'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import type { AttemptSpec, Ending } from '../executor.ts'
import { coresBetween, usageOf } from './usage.ts'

/** What a supervisor writes of the end (journal.ts): facts, no judgement. */
export const EndEvidence = Type.Object({
  /** Milliseconds since the epoch. */
  at: Type.Number(),
  /** Whether it had been told to stop. */
  stopped: Type.Boolean(),
  /** Whether it sent SIGKILL because the grace period was over. */
  killed: Type.Boolean(),
  /** Whether the supervisor was killed, so that nobody saw the end. */
  lost: Type.Boolean(),
  /** Milliseconds since the epoch; absent when the command was never started. */
  startedAt: Type.Optional(Type.Number()),
  /** Wait status of the container's first process (wait(2)); absent when it never started or nobody saw it end. */
  status: Type.Optional(Type.Integer()),
  /** Wait status of the runtime, when it failed. */
  runtimeStatus: Type.Optional(Type.Integer()),
  /** What the runtime said when it failed. */
  failure: Type.Optional(Type.String()),
  /** CPU seconds of the processes that the supervisor waited for. */
  childSeconds: Type.Optional(Type.Number()),
  /** Bytes of output that the disk had no room for. */
  lostBytes: Type.Integer(),
  /** When the log was over its limit: bytes kept of its beginning, bytes left out, and the length of the line that says so. */
  logHead: Type.Optional(Type.Integer()),
  logDropped: Type.Optional(Type.Integer()),
  logLine: Type.Optional(Type.Integer()),
  /** Files of the control group at the end, by name. */
  files: Type.Record(Type.String(), Type.String()),
})
export type EndEvidence = Static<typeof EndEvidence>

/** Reads what the supervisor wrote; undefined when it is not there or not whole, as after a power failure. */
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

/** The evidence of an end that nobody saw. */
export const lostEvidence = (at: number): EndEvidence => ({
  at,
  stopped: false,
  killed: false,
  lost: true,
  lostBytes: 0,
  files: {},
})

/** What else must be known to say why an attempt ended. */
export interface EndContext {
  readonly spec: Pick<AttemptSpec, 'image' | 'account' | 'resources'>
  /** The whole log when it is short (see {@link initFailure}), otherwise ''. */
  readonly shortLog: string
}

/** The judgement on the facts: exit code, cause in words, usage. */
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
  const measured = usageOf(evidence.files)
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
      message: 'The process that watched over it was killed, so how the command ended is not known.',
      hint: 'Look at the log for how far it came, and submit it again.',
    }
  if (exitCode === undefined) {
    if (evidence.stopped) return stoppedBeforeStart
    return runtimeFailure(evidence.failure ?? '', spec)
  }
  const notRun = initFailure(exitCode, shortLog, spec)
  if (notRun !== undefined) return notRun
  if (exitCode !== 0 && (usage.oomKills ?? 0) > 0)
    return outOfMemory(spec.resources.memoryGb.limit, usage.memoryPeakBytes)
  const signal = signalOf(exitCode)
  if (evidence.stopped && (signal?.name === 'SIGTERM' || signal?.name === 'SIGKILL'))
    return {
      code: 'cancelled',
      message: evidence.killed
        ? 'It was told to end with SIGTERM, did not within its grace period, and was ended with SIGKILL.'
        : 'It was told to end with SIGTERM and did.',
    }
  if (signal !== undefined)
    return {
      code: 'signalled',
      message: `The command was ended by signal ${signal.number} (${signal.name}${signal.meaning}).`,
      ...(signal.hint === undefined ? {} : { hint: signal.hint }),
    }
  return {
    code: 'exited',
    message: exitCode === 0 ? 'The command ended with exit code 0.' : `The command ended with exit code ${exitCode}.`,
    ...(exitCode === 127
      ? { hint: 'A shell exits with 127 when a command in a script is not found; the log names it.' }
      : {}),
  }
}

/** For an attempt that was told to end before its command was started. */
export const stoppedBeforeStart: Cause = {
  code: 'cancelled',
  message: 'It was told to end before its command was started.',
}

function outOfMemory(limitGb: number, peakBytes: number | undefined): Cause {
  const peak = peakBytes === undefined ? '' : ` Its peak was ${(peakBytes / 1024 ** 3).toFixed(2)} GiB.`
  return {
    code: 'out-of-memory',
    message: `It needed more memory than its limit of ${limitGb} GiB, and the kernel ended a process of it.${peak}`,
    hint: `Ask for more memory, for instance ${Math.ceil(limitGb * 1.5)} GB, or work on smaller pieces.`,
  }
}

/**
 * The init (tini) could not run the program: its message is then all there is in the log. A program that really ran cannot be told apart
 * when it prints the very same line and nothing else, and exits with the same code; that is harmless.
 */
export function initFailure(exitCode: number, shortLog: string, spec: EndContext['spec']): Cause | undefined {
  if (exitCode !== 1 && exitCode !== 126 && exitCode !== 127) return undefined
  const match = /^\[FATAL tini \(\d+\)\] exec ([^\n]*) failed: ([^\n]*)\n$/.exec(shortLog)
  return match === null ? undefined : notRunnable(match[1] ?? '', match[2] ?? '', spec)
}

function notRunnable(program: string, reason: string, { image, account }: EndContext['spec']): Cause {
  if (/no such file/i.test(reason) || /not found/i.test(reason))
    return {
      code: 'command-not-found',
      message: `There is no program ${program} in the image ${image}.`,
      hint: program.includes(' ')
        ? 'The name holds blanks: give the program and its arguments apart.'
        : 'Check the spelling and the path. A script also needs the interpreter that its first line names.',
    }
  if (/permission denied/i.test(reason))
    return {
      code: 'command-not-found',
      message: `${program} may not be executed by ${account.name}.`,
      hint: `Make it executable (chmod a+x), or run it with its interpreter, such as: python ${program}`,
    }
  return {
    code: 'command-not-found',
    message: `${program} cannot be executed: ${reason}.`,
    hint: 'Is it a program for another kind of processor, or a script without a #! line?',
  }
}

/** Why the runtime could not make the container, from what it said. */
export function runtimeFailure(said: string, spec: EndContext['spec']): Cause {
  const message = lastMessage(said)
  const missing =
    /exec: "([^"]*)": (?:stat [^:]*: )?(executable file not found[^:]*|no such file or directory|permission denied)/.exec(
      message,
    )
  if (missing !== null) return notRunnable(missing[1] ?? '', missing[2] ?? '', spec)
  if (/no space left on device|disk quota exceeded/i.test(message)) return diskFull(message)
  return {
    code: 'start-failed',
    message:
      message === ''
        ? 'The container could not be made; the runtime did not say why.'
        : `The container could not be made: ${message}`,
    hint: 'Submit it again. If this happens again, it is for the people who run the platform.',
  }
}

/** The platform's own disk had no room. */
export const diskFull = (message: string): Cause => ({
  code: 'disk-full',
  message: `The platform's disk is full: ${message}`,
  hint: 'Submit it again when there is room; the people who run the platform can make some.',
})

/** The runtime writes log lines (`time=… level=error msg="…"`) and then the error once more; the last of them says most. */
function lastMessage(said: string): string {
  const lines = said.trim().split('\n')
  const line = lines.find((candidate) => candidate.startsWith('panic: ')) ?? lines.at(-1) ?? ''
  const quoted = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]
  return quoted === undefined ? line : quoted.replaceAll('\\"', '"')
}

interface SignalName {
  readonly number: number
  readonly name: string
  /** For people, with a leading colon; empty where the name says it all. */
  readonly meaning: string
  readonly hint?: string
}

const meanings: Readonly<Record<string, { meaning: string; hint?: string }>> = {
  SIGSEGV: {
    meaning: 'it touched memory that is not its own',
    hint: 'This is a fault in the program or in the data it read.',
  },
  SIGBUS: {
    meaning: 'it touched memory that is not there',
    hint: 'Often a memory-mapped file that was cut short, or a full /dev/shm.',
  },
  SIGILL: {
    meaning: 'an instruction this processor does not have',
    hint: 'The program may have been built for a newer processor.',
  },
  SIGFPE: { meaning: 'a division by zero or the like' },
  SIGABRT: { meaning: 'the program gave up by itself', hint: 'The log usually says why.' },
  SIGKILL: {
    meaning: 'by force',
    hint: 'Neither the platform nor its memory limit did this: look for a kill in the job itself.',
  },
  SIGSYS: { meaning: 'a system call that is not allowed', hint: '32-bit programs need an image with a 32-bit loader.' },
  SIGXFSZ: { meaning: 'a file became larger than allowed' },
}

function signalOf(exitCode: number): SignalName | undefined {
  const number = exitCode - 128
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0]
  if (name === undefined) return undefined
  const known = meanings[name]
  return {
    number,
    name,
    meaning: known === undefined ? '' : `: ${known.meaning}`,
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
  }
}
