import type { Cause } from '@science-platform/contract'
import { constants } from 'node:os'
import type { AttemptSpec } from './executor.ts'
import { printReference } from '../job/image-reference.ts'

/** Why a command ended by itself or by a signal that nobody here sent, in words. Pure. */
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

/** For a command that was told to end and died of it; undefined when it exited in its own way. `killed`: its grace period was over. Pure. */
export function stoppedBySignal(exitCode: number, killed: boolean): Cause | undefined {
  const signal = signalOf(exitCode)
  if (signal?.name !== 'SIGTERM' && signal?.name !== 'SIGKILL') return undefined
  return {
    code: 'cancelled',
    message: killed
      ? 'It was told to end with SIGTERM, did not within its grace period, and was ended with SIGKILL.'
      : 'It was told to end with SIGTERM and did.',
  }
}

/** For an attempt that was told to end before its command was started. */
export const stoppedBeforeStart: Cause = {
  code: 'cancelled',
  message: 'It was told to end before its command was started.',
}

/** The kernel killed it for its memory. */
export function outOfMemory(limitGb: number, peakBytes: number | undefined): Cause {
  const peak = peakBytes === undefined ? '' : ` Its peak was ${(peakBytes / 1024 ** 3).toFixed(2)} GiB.`
  return {
    code: 'out-of-memory',
    message: `It needed more memory than its limit of ${limitGb} GiB, and the kernel ended a process of it.${peak}`,
    hint: `Ask for more memory, for instance ${Math.ceil(limitGb * 1.5)} GiB, or work on smaller pieces.`,
  }
}

/** Who asked for an image's program, to say why it cannot be run. */
export type Runner = Pick<AttemptSpec, 'image'> & { readonly account: Pick<AttemptSpec['account'], 'name'> }

/** The program to run is not there or is none; `reason` is the kernel's or the runtime's word. */
export function notRunnable(program: string, reason: string, { image, account }: Runner): Cause {
  if (/no such file/i.test(reason) || /not found/i.test(reason))
    return {
      code: 'command-not-found',
      message: `There is no program ${program} in the image ${printReference(image)}.`,
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

/** Why the runtime could not make the container, from what it said. @param noRoom whether the disk was seen to be full then. */
export function runtimeFailure(said: string, spec: Runner, noRoom = false): Cause {
  const message = lastMessage(said)
  const missing =
    /exec: "([^"]*)": (?:stat [^:]*: )?(executable file not found[^:]*|no such file or directory|permission denied)/.exec(
      message,
    )
  if (missing !== null) return notRunnable(missing[1] ?? '', missing[2] ?? '', spec)
  if (noRoom || /no space left on device|disk quota exceeded/i.test(message))
    return diskFull(message || 'there was no room for a container')
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
