import type { AttemptSpec } from '../executor.ts'
import { enterPrograms } from './enter-program.ts'

/** Where the program `enter` is in a container whose job has a working directory. */
export const enterPath = '/dev/enter'

/** The architectures that the program exists for. */
export type EnterArchitecture = keyof typeof enterPrograms

/** The program for an architecture: a static ELF file. */
export const enterProgram = (architecture: EnterArchitecture): Buffer =>
  Buffer.from(enterPrograms[architecture], 'base64')

/** The command line that enters the working directory of a job, if it has one, and becomes its command. Pure. */
export function enteringCommand(
  { workingDirectory }: Pick<AttemptSpec, 'workingDirectory'>,
  command: readonly string[],
): string[] {
  if (workingDirectory === undefined) return [...command]
  const isMade = `${workingDirectory}/`.startsWith('/scratch/')
  return [enterPath, isMade ? 'make' : 'find', workingDirectory, ...command]
}

/** The command line without the entry, and the working directory that it enters. The reverse of {@link enteringCommand}. Pure. */
export function withoutEntry(command: readonly string[]): {
  readonly command: readonly string[]
  readonly workingDirectory?: string
} {
  const [program, , workingDirectory, ...rest] = command
  return program === enterPath && workingDirectory !== undefined ? { command: rest, workingDirectory } : { command }
}

/** Why the program could not enter the working directory. */
export interface EntryFailure {
  readonly verb: 'enter' | 'make'
  /** The first folder of the path that it could not enter or make. */
  readonly folder: string
  /** As in errno(3). */
  readonly reason: string
}

/**
 * The failure that the program reported, from its exit code and its message; undefined where the command ran. A command that prints this
 * very line alone and exits with the same code is mistaken for one that did not run; that is harmless. Pure.
 */
export function entryFailure(exitCode: number, message: string): EntryFailure | undefined {
  if (exitCode !== 125) return undefined
  const match = /^cannot (enter|make) (\/.*): ([a-z0-9/ -]+)\n?$/s.exec(message)
  if (match === null) return undefined
  const [, verb, folder = '', reason = ''] = match
  return { verb: verb as EntryFailure['verb'], folder, reason }
}
