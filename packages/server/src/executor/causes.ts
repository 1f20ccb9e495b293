import type { Cause } from '@science-platform/contract'
import { constants } from 'node:os'
import type { AttemptSpec } from './executor.ts'
import type { EntryFailure } from './entry/entry.ts'
import { printReference } from '../job/image-reference.ts'

/** How a command ended. */
export interface CommandEnd {
  /** 0 to 255, 128 + N after signal N. */
  readonly exitCode: number
  /** Whether its wait status shows a signal (wait(2)). Without it a code over 128 may also be the program's own. */
  readonly isSignal: boolean
}

/** The cause of a command that exited, or that a signal of another sender ended. Pure. */
export function causeOfExit({ exitCode, isSignal }: CommandEnd): Cause {
  const signal = signalOf(exitCode)
  if (isSignal && signal !== undefined)
    return {
      code: 'signalled',
      message: `The command was ended by signal ${signal.number} (${signal.name}${signal.meaning}).`,
      ...(signal.hint === undefined ? {} : { hint: signal.hint }),
    }
  return {
    code: 'exited',
    message: `The command ended with exit code ${exitCode}.`,
    ...(exitCode === 127
      ? {
          hint:
            'A shell exits with 127 when a command in a script is not found; the log names it. ' +
            'A name that ends in \\r comes from a script with the line ends of Windows (CRLF).',
        }
      : {}),
    ...(signal === undefined ? {} : { hint: possibly(exitCode, signal) }),
  }
}

/** Shells, container runtimes and inits report a signal as 128 + its number; programs may use the same codes. */
const possibly = (exitCode: number, { number, name, meaning, hint }: SignalName): string =>
  `The code may be the program's own, or signal ${number} (${name}${meaning}) ended a program: shells exit with ` +
  `${exitCode} then.${hint === undefined ? '' : ` ${hint}`}`

/**
 * The cause of a command that ended as SIGTERM or SIGKILL ends one, after it was stopped; undefined when it exited with another code. Pure.
 *
 * @param killed whether its grace period was over
 */
export function stoppedBySignal(exitCode: number, killed: boolean): Cause | undefined {
  const signal = signalOf(exitCode)
  if (signal?.name !== 'SIGTERM' && signal?.name !== 'SIGKILL') return undefined
  return {
    code: 'cancelled',
    message:
      killed && signal.name === 'SIGKILL'
        ? 'The job was stopped: it did not end within its grace period after SIGTERM, and was ended with SIGKILL.'
        : 'The job was stopped: it ended after SIGTERM.',
  }
}

/**
 * A remark about processes that outlived the first one. Pure.
 *
 * @param names some of their names; empty where they are not known
 * @param duringStop whether the attempt was stopped, and its grace period was over
 */
export function remainedText(count: number, names: string, duringStop: boolean): string {
  const processes = `${count} ${count === 1 ? 'process' : 'processes'}${names === '' ? '' : ` (${names})`}`
  const [were, they] = count === 1 ? ['was', 'it was'] : ['were', 'they were']
  return duringStop
    ? `${processes} ${were} still running when the grace period was over, and ${they} ended with SIGKILL.`
    : `${processes} ${were} still running when the command ended, and ${they} ended with it. A script waits for its background processes with: wait`
}

/** The cause of an attempt that was stopped before its command started. */
export const stoppedBeforeStart: Cause = {
  code: 'cancelled',
  message: 'The job was stopped before its command started.',
}

/**
 * Whether the kernel's kills for memory ended the command itself, or a program whose end a shell reports as its own: then that is the cause.
 * A program that lost a child and ended with a code of its own keeps that code as its cause. Pure.
 */
export const isEndedForMemory = (exitCode: number, kills: number): boolean =>
  kills > 0 && exitCode === 128 + constants.signals.SIGKILL

/** The cause of an attempt that the kernel killed for its memory. */
export function outOfMemory(limitGb: number, peakBytes: number | undefined): Cause {
  const peak = peakBytes === undefined ? '' : ` Its peak was ${(peakBytes / 1024 ** 3).toFixed(2)} GiB.`
  return {
    code: 'out-of-memory',
    message: `The job needed more memory than its limit of ${limitGb} GiB, and the kernel killed one of its processes.${peak}`,
    hint: `Ask for more memory, for instance ${Math.ceil(limitGb * 1.5)} GiB, or work on smaller pieces.`,
  }
}

/** The image, the account and the folder of a program that cannot be run. */
export type Runner = Pick<AttemptSpec, 'image' | 'workingDirectory'> & {
  readonly account: Pick<AttemptSpec['account'], 'name'>
}

/** The cause of an attempt whose working directory could not be entered. Pure. */
export function cannotEnter(
  { verb, folder, reason }: EntryFailure,
  { account, workingDirectory = folder }: Pick<Runner, 'account' | 'workingDirectory'>,
): Cause {
  return {
    code: 'start-failed',
    message: `The working directory ${workingDirectory} could not be ${verb === 'make' ? 'created' : 'entered'}: ${whyNotEntered(folder, reason, account.name)}.`,
    hint: hintFor(verb, folder, reason),
  }
}

function whyNotEntered(folder: string, reason: string, user: string): string {
  if (reason === 'no such file or directory') return `there is no folder ${folder} in the container`
  if (reason === 'not a directory') return `${folder} is a file, not a folder`
  if (reason === 'permission denied') return `the user ${user} may not enter ${folder}`
  return `${folder}: ${reason}`
}

function hintFor(verb: EntryFailure['verb'], folder: string, reason: string): string {
  if (reason === 'permission denied' && verb === 'enter')
    return folder.startsWith('/arc/')
      ? `Its owner can open it: chmod a+x ${folder}. Or give another folder.`
      : 'Give a folder that the user may enter.'
  if (reason === 'no such file or directory')
    return folder.startsWith('/arc/')
      ? `Create it before: mkdir -p ${folder}. Folders below /scratch are created for each job.`
      : 'Give a folder below /arc, or one of the image. Folders below /scratch are created for each job.'
  return 'Give another folder, such as one below /scratch, which is created for each job.'
}

/** What is known of a program that could not be run. */
export interface ProgramFacts {
  /** Whether the program itself was there, and execve(2) failed. */
  readonly isThere?: boolean
  /** The first line of a script, with a CR where it ends in one. */
  readonly firstLine?: string
  /** A folder on its path that the account may not enter. */
  readonly closedFolder?: string
  readonly isFolder?: boolean
  /** The image's WORKDIR, where the program is there and not in the folder that jobs begin in. */
  readonly imageFolder?: string
  /** The image's entry point, where the job's command has replaced it. */
  readonly entryPoint?: readonly string[]
}

/** The cause of a program that is missing or cannot be executed. Pure. @param reason the message of the kernel or the runtime */
export function notRunnable(program: string, reason: string, runner: Runner, facts: ProgramFacts = {}): Cause {
  return { code: 'command-not-found', ...whyNotRunnable(program, reason, runner, facts) }
}

type Explanation = Omit<Cause, 'code' | 'remarks'>

function whyNotRunnable(program: string, reason: string, runner: Runner, facts: ProgramFacts): Explanation {
  const { account } = runner
  const { closedFolder, isFolder = false, isThere = false } = facts
  if (closedFolder !== undefined)
    return {
      message: `The user ${account.name} may not enter the folder ${closedFolder}, where ${program} is.`,
      hint: closedFolder.startsWith('/arc/')
        ? `Its owner can open it: chmod a+x ${closedFolder}`
        : 'The image keeps the program where only its own user may go. Use an image whose programs every user may run.',
    }
  if (isFolder) return { message: `${program} is a folder, not a program.`, hint: 'Give the program that is in it.' }
  if (/no such file|not found/i.test(reason))
    return isThere ? withoutInterpreter(program, runner, facts) : withoutProgram(program, runner, facts)
  if (/permission denied/i.test(reason))
    return {
      message: `The user ${account.name} may not execute ${program}.`,
      hint: `Make it executable (chmod a+x ${program}), or run it with its interpreter, such as: ${interpreterFor(program)} ${program}`,
    }
  return {
    message: `${program} cannot be executed: ${reason}.`,
    hint: 'Is it a program for another kind of processor, or a script without a #! line?',
  }
}

function withoutProgram(
  program: string,
  { image, account, workingDirectory }: Runner,
  { imageFolder, entryPoint }: ProgramFacts,
): Explanation {
  const folder = workingDirectory ?? `/arc/home/${account.name}, where jobs begin`
  if (imageFolder !== undefined)
    return {
      message: `There is no program ${program} in ${folder}; the image's own folder (WORKDIR) is ${imageFolder}.`,
      hint: `Give the whole path: ${imageFolder.replace(/\/$/, '')}/${program.replace(/^\.\//, '')}`,
    }
  const isOutside = program.startsWith('./') || program.startsWith('../') || program.startsWith('/arc/')
  const message = isOutside
    ? `There is no program ${program}${program.startsWith('/') ? '' : ` in ${folder}`}.`
    : `The image ${printReference(image)} has no program ${program}.`
  if (program.includes(' '))
    return { message, hint: 'The name contains blanks: give the program and its arguments separately.' }
  const hint = 'Check the spelling and the path.'
  return {
    message,
    hint:
      entryPoint === undefined
        ? hint
        : `${hint} The image's entry point (${entryPoint.join(' ')}) is not run when a command is given; it may set up the ` +
          'environment that has the program. To keep it, give the command as --args and no --cmd.',
  }
}

/** The kernel reports a missing interpreter as if the script were missing (execve(2), ENOENT). */
function withoutInterpreter(program: string, { image }: Runner, { firstLine }: ProgramFacts): Explanation {
  const name = program.split('/').at(-1) ?? program
  const unix = `sed -i 's/\\r$//' ${name}`
  const interpreter = firstLine?.slice(2).trimStart()
  if (interpreter === undefined)
    return {
      message: `${program} is there, but the interpreter that its first line (#!) names, or the loader that it needs, is not in the image ${printReference(image)}.`,
      hint: `Look at the first line: head -n 1 ${name} | od -c. A \\r at its end comes from Windows: ${unix}`,
    }
  if (interpreter.endsWith('\r'))
    return {
      message: `${program} has the line ends of Windows (CRLF): its first line asks for the interpreter "${interpreter.slice(0, -1)}\\r", which does not exist.`,
      hint: `Give it the line ends of Unix: ${unix}`,
    }
  return {
    message: `The image ${printReference(image)} has no interpreter ${interpreter.split(/\s/, 1)[0] ?? ''}, which the first line of ${program} names.`,
    hint: `Correct the first line, or run the script with an interpreter that the image has, such as: ${interpreterFor(program)} ${program}`,
  }
}

const interpreterFor = (program: string): string => (program.endsWith('.py') ? 'python3' : 'sh')

/** The cause of a container that the runtime could not create, from its messages. @param noRoom whether the disk was full at that moment */
export function runtimeFailure(output: string, spec: Runner, noRoom = false, facts?: ProgramFacts): Cause {
  const message = lastMessage(output)
  const failed = programInMessage(message)
  if (failed !== undefined) return notRunnable(failed.program, failed.reason, spec, facts)
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

/**
 * The program that could not be run, from the message of the runtime, of the program `enter`, or of the init (tini) of earlier releases: the log then holds it and
 * nothing else. A program that prints this very line and exits with the same code is mistaken for one that did not run; that is harmless.
 * The runtime has found the program before it ran execve(2), tini has not; `enter` reports one that it did not find as `not found`.
 */
export function execFailure(
  exitCode: number,
  shortLog: string,
): { readonly program: string; readonly reason: string; readonly isThere: boolean } | undefined {
  if (![1, 126, 127, 255].includes(exitCode)) return undefined
  const ofInit = /^\[FATAL tini \(\d+\)\] exec ([^\n]*) failed: ([^\n]*)\n$/.exec(shortLog)
  if (ofInit !== null) return { program: ofInit[1] ?? '', reason: ofInit[2] ?? '', isThere: false }
  const ofRuntime =
    /^exec ([^\n]*): (no such file or directory|not found|permission denied|exec format error|argument list too long|text file busy)\n$/.exec(
      shortLog,
    )
  if (ofRuntime === null) return undefined
  const [, program = '', reason = ''] = ofRuntime
  return { program, reason, isThere: reason !== 'not found' }
}

/** The program that a runtime could not run, and why, from its output. Pure. */
export const failedProgram = (output: string): { program: string; reason: string } | undefined =>
  programInMessage(lastMessage(output))

function programInMessage(message: string): { program: string; reason: string } | undefined {
  const match =
    /exec: "((?:[^"\\]|\\.)*)": (?:stat [^:]*: )?(executable file not found[^:]*|no such file or directory|permission denied|is a directory|not a directory)/.exec(
      message,
    )
  return match === null ? undefined : { program: match[1] ?? '', reason: match[2] ?? '' }
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
