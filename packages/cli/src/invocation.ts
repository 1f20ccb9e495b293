import type { Command } from 'commander'
import { requestedFormat, serialise, type OutputFormat } from './output/format.ts'
import { print } from './output/terminal.ts'

/** The options that all commands share. */
export interface Invocation {
  readonly format: OutputFormat
  readonly verbose: boolean
}

interface SharedOptions {
  readonly json?: true
  readonly output?: 'json' | 'yaml'
  readonly verbose?: true
  readonly logLevel?: string
}

/** Reads the shared options of a command. */
export function invocationOf(command: Command): Invocation {
  const { json, output, verbose, logLevel } = command.optsWithGlobals<SharedOptions>()
  return {
    format: json === true ? 'json' : (output ?? requestedFormat([])),
    verbose: verbose === true || logLevel?.toLowerCase() === 'debug',
  }
}

/** Prints a result: `value` for programs, its text by `human` for people. */
export async function show<T>({ format }: Invocation, value: T, human: (value: T) => string): Promise<void> {
  print(format === 'human' ? human(value) : await serialise(value, format))
}
