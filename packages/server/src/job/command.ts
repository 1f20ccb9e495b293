import { limits } from '@science-platform/contract'
import { splitWords, type SplitFault } from '@science-platform/contract/shell-words'
import { InvalidRequest, shown } from './invalid.ts'

/** The command of a container. The image decides on parts that are absent. */
export interface Command {
  /** Replaces the entry point of the image. */
  readonly cmd?: readonly string[]
  /** Replaces the CMD of the image. */
  readonly args?: readonly string[]
}

/**
 * The words of `cmd` and `args` as submitted.
 *
 * `cmd` without `args` is split by shell rules, because the batch guide writes `--cmd "python /arc/projects/x/reduce.py"`.
 * `cmd` with `args` is one program name. An `args` string is split by shell rules; a list stays as it is. Nothing is
 * expanded: `$`, `*` and `~` are plain text.
 * A quote in `args` that is not closed, such as an apostrophe, makes the server split at spaces like the reference server
 * (wire contract 3.1). In `cmd` it is an error.
 * @throws {InvalidRequest}
 */
export function parseCommand(cmd: string | undefined, args: string | readonly string[] | undefined): Command {
  const command: Command = {
    ...(cmd === undefined ? {} : { cmd: args === undefined || args === '' ? splitCmd(cmd) : [cmd.trim()] }),
    ...(args === undefined || args === '' ? {} : { args: typeof args === 'string' ? splitArgs(args) : args }),
  }
  for (const [field, words] of Object.entries(command) as [string, readonly string[]][]) {
    const bad = words.find((word) => word.includes('\0'))
    if (bad !== undefined)
      throw new InvalidRequest(field, `${field} contains a NUL byte: ${shown(bad)}`, 'Remove the NUL byte.')
    const long = words.find((word) => Buffer.byteLength(word) >= limits.wordBytes)
    if (long !== undefined) {
      throw new InvalidRequest(
        field,
        `${field} has a word of ${Buffer.byteLength(long)} bytes; a word must be below ${limits.wordBytes}`,
        'Put the data in a file under /arc and pass its path.',
      )
    }
  }
  const program = command.cmd?.[0]
  if (command.cmd !== undefined && (program === undefined || program === '')) {
    throw new InvalidRequest(
      'cmd',
      `cmd names no program; it was ${shown(cmd ?? '')}`,
      'Name a program, or leave cmd out to run the command of the image.',
    )
  }
  return command
}

function splitCmd(cmd: string): readonly string[] {
  const split = splitWords(cmd)
  if ('fault' in split) throw notSplit('cmd', cmd, split.fault)
  return split.words
}

function splitArgs(args: string): readonly string[] {
  const split = splitWords(args)
  if ('words' in split) return split.words
  if (split.fault.reason !== 'unclosed-quote') throw notSplit('args', args, split.fault)
  return args.split(' ').filter((word) => word !== '')
}

const notSplit = (field: string, line: string, { message, hint }: SplitFault): InvalidRequest =>
  new InvalidRequest(field, `${field} cannot be split into words: ${message}; it was ${shown(line)}`, hint)
