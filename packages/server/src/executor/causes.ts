import type { Cause } from '@science-platform/contract'
import { constants } from 'node:os'
import type { AttemptSpec } from './executor.ts'
import { printReference } from '../job/image-reference.ts'

/** The cause of a command that exited, or that a signal of another sender ended. Pure. */
export function causeOfExit(exitCode: number): Cause {
  const signal = signalOf(exitCode)
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

/**
 * The cause of a command that ended by the signal of its stop; undefined when it exited with its own code. Pure.
 *
 * @param killed whether its grace period was over
 */
export function stoppedBySignal(exitCode: number, killed: boolean): Cause | undefined {
  const signal = signalOf(exitCode)
  if (signal?.name !== 'SIGTERM' && signal?.name !== 'SIGKILL') return undefined
  return {
    code: 'cancelled',
    message: killed
      ? 'The job was stopped: it did not end within its grace period after SIGTERM, and was ended with SIGKILL.'
      : 'The job was stopped: it ended after SIGTERM.',
  }
}

/** The cause of an attempt that was stopped before its command started. */
export const stoppedBeforeStart: Cause = {
  code: 'cancelled',
  message: 'The job was stopped before its command started.',
}

/** The cause of an attempt that the kernel killed for its memory. */
export function outOfMemory(limitGb: number, peakBytes: number | undefined): Cause {
  const peak = peakBytes === undefined ? '' : ` Its peak was ${(peakBytes / 1024 ** 3).toFixed(2)} GiB.`
  return {
    code: 'out-of-memory',
    message: `The job needed more memory than its limit of ${limitGb} GiB, and the kernel killed one of its processes.${peak}`,
    hint: `Ask for more memory, for instance ${Math.ceil(limitGb * 1.5)} GiB, or work on smaller pieces.`,
  }
}

/** The image and the account of a program that cannot be run. */
export type Runner = Pick<AttemptSpec, 'image'> & { readonly account: Pick<AttemptSpec['account'], 'name'> }

/** The cause of a program that is missing or cannot be executed. @param reason the message of the kernel or the runtime */
export function notRunnable(program: string, reason: string, { image, account }: Runner): Cause {
  if (/no such file/i.test(reason) || /not found/i.test(reason))
    return {
      code: 'command-not-found',
      message: `The image ${printReference(image)} has no program ${program}.`,
      hint: program.includes(' ')
        ? 'The name contains blanks: give the program and its arguments separately.'
        : 'Check the spelling and the path. A script also needs the interpreter that its first line names.',
    }
  if (/permission denied/i.test(reason))
    return {
      code: 'command-not-found',
      message: `The user ${account.name} may not execute ${program}.`,
      hint: `Make it executable (chmod a+x), or run it with its interpreter, such as: python ${program}`,
    }
  return {
    code: 'command-not-found',
    message: `${program} cannot be executed: ${reason}.`,
    hint: 'Is it a program for another kind of processor, or a script without a #! line?',
  }
}

/** The cause of a container that the runtime could not create, from its messages. @param noRoom whether the disk was full at that moment */
export function runtimeFailure(output: string, spec: Runner, noRoom = false): Cause {
  const message = lastMessage(output)
  const missing =
    /exec: "([^"]*)": (?:stat [^:]*: )?(executable file not found[^:]*|no such file or directory|permission denied)/.exec(
      message,
    )
  if (missing !== null) return notRunnable(missing[1] ?? '', missing[2] ?? '', spec)
  if (noRoom || /no space left on device|disk quota exceeded/i.test(message))
    return diskFull(message || 'there was no space for a container')
  return {
    code: 'start-failed',
    message:
      message === ''
        ? 'The container could not be created, and the runtime gave no reason.'
        : `The container could not be created: ${message}`,
    hint: 'Submit the job again. If this happens again, report it to the operators of the platform.',
  }
}

/** The cause of an attempt for which the platform's own disk had no room. */
export const diskFull = (message: string): Cause => ({
  code: 'disk-full',
  message: `The platform's disk is full: ${message}`,
  hint: 'Submit the job again when the disk has space. The operators of the platform can free space.',
})

/** The message of the runtime. It writes log lines (`time=… level=error msg="…"`), then the error again with the most detail. */
function lastMessage(output: string): string {
  const lines = output.trim().split('\n')
  const line = lines.find((candidate) => candidate.startsWith('panic: ')) ?? lines.at(-1) ?? ''
  const quoted = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]
  return quoted === undefined ? line : quoted.replaceAll('\\"', '"')
}

interface SignalName {
  readonly number: number
  readonly name: string
  /** With a leading colon; empty where the name is clear. */
  readonly meaning: string
  readonly hint?: string
}

const meanings: Readonly<Record<string, { meaning: string; hint?: string }>> = {
  SIGSEGV: {
    meaning: 'it accessed memory that it does not own',
    hint: 'The program or its input data has a fault.',
  },
  SIGBUS: {
    meaning: 'it accessed memory that does not exist',
    hint: 'A frequent cause is a truncated memory-mapped file, or a full /dev/shm.',
  },
  SIGILL: {
    meaning: 'an instruction that this processor does not have',
    hint: 'The program may have been built for a newer processor.',
  },
  SIGFPE: { meaning: 'an arithmetic error such as a division by zero' },
  SIGABRT: { meaning: 'the program aborted', hint: 'The log usually has the reason.' },
  SIGKILL: {
    meaning: 'killed',
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
