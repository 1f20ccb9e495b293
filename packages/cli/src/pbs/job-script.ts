import { splitWords } from '@science-platform/contract/shell-words'
import { usageFailure } from '../failure.ts'

/** The words of one `#PBS` line. */
export interface Directive {
  readonly words: readonly string[]
  /** The place in the script, for errors: `line 3 of job.sh: `. */
  readonly where: string
}

/** The `#PBS` lines of a script up to its first line that is a command, as qsub(1) reads them. `name` is the script's, for errors. */
export function directivesOf(script: string, name: string): Directive[] {
  const lines = script.split('\n')
  const end = lines.findIndex((line) => !/^\s*(#|:|$)/.test(line))
  return lines.slice(0, end === -1 ? lines.length : end).flatMap((line, index) => {
    if (!/^#PBS(\s|$)/.test(line)) return []
    const where = `line ${index + 1} of ${name}: `
    const split = splitWords(line.slice('#PBS'.length))
    if ('fault' in split) throw usageFailure(where + split.fault.message, split.fault.hint)
    return [{ words: split.words, where }]
  })
}

/** The words that run a script, before its path: of `-S`, else of its `#!` line, else `/bin/sh`. */
export function interpreterOf(script: string, shell: string | undefined): readonly string[] {
  const [, program, argument = ''] = /^#![ \t]*(\S+)[ \t]*([^\r\n]*)/.exec(script) ?? []
  if (shell !== undefined) return [shell]
  if (program === undefined) return ['/bin/sh']
  // The kernel gives all the rest of the line as one argument (execve(2)).
  return argument.trim() === '' ? [program] : [program, argument.trim()]
}
