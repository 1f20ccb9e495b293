import { quoteWord } from '@science-platform/contract/shell-words'

/** How a script runs in its job. */
export interface Wrapping {
  readonly script: string
  /** Words before the path of the script. */
  readonly interpreter: readonly string[]
  /** Files for stdout and stderr, absolute; undefined: the log of the job. They may name {@link pathVariables}. */
  readonly output: string | undefined
  readonly error: string | undefined
  /** Folders that come before those in the PATH of the image. */
  readonly path: readonly string[]
}

/** Variables that are replaced in the paths of `-o` and `-e`, when the job starts. */
export const pathVariables = ['PBS_JOBID', 'PBS_JOBNAME', 'HOME'] as const

/** UTF-16 units of one word of a job: less than 128 KiB in UTF-8 (execve(2), MAX_ARG_STRLEN). */
const unitsPerWord = 30_000

/**
 * The arguments of `sh` for a job: a wrapper, and the script in pieces. The wrapper writes the script to the job's own /tmp, opens the
 * files of `-o` and `-e`, and runs the script in its own place, so that signals and the exit code are the script's.
 */
export function wrapperWords({ script, interpreter, output, error, path }: Wrapping): string[] {
  const [program = ''] = interpreter
  const lines = [
    'export PBS_JOBID="$skaha_sessionid"',
    'script=/tmp/pbs-$PBS_JOBID',
    'printf %s "$@" > "$script" || exit 1',
    ...(path.length === 0 ? [] : [`export PATH=${quoteWord(path.join(':'))}:"$PATH"`]),
    `command -v ${quoteWord(program)} > /dev/null || { echo "qsub: the image has no program" ${quoteWord(program)} >&2; exit 127; }`,
    ...redirections(output, error),
    `exec ${interpreter.map(quoteWord).join(' ')} "$script"`,
  ]
  return ['-c', lines.join('\n'), 'qsub', ...pieces(script)]
}

function redirections(output: string | undefined, error: string | undefined): string[] {
  if (output === undefined && error === undefined) return []
  // A folder gets a file named by the id, like qsub(1). Where a file cannot be written, the log has the output.
  const lines = [
    'file_of() {',
    '  file=$1; if [ -d "$1" ]; then file=${1%/}/$PBS_JOBID.$2; fi',
    '  if (: > "$file") 2> /dev/null; then echo "qsub: $3 in $file"',
    '  else echo "qsub: $file cannot be written, so $3 here" >&2; return 1; fi',
    '}',
  ]
  if (output !== undefined && output === error)
    return [...lines, `if file_of ${pathWord(output)} OU "the output is"; then exec >> "$file" 2>&1; fi`]
  // stderr first: the remark about stdout belongs in the log.
  if (error !== undefined)
    lines.push(`if file_of ${pathWord(error)} ER "errors are"; then errors=$file; else errors=; fi`)
  if (output !== undefined) lines.push(`if file_of ${pathWord(output)} OU "the output is"; then exec >> "$file"; fi`)
  if (error !== undefined) lines.push('if [ -n "$errors" ]; then exec 2>> "$errors"; fi')
  return lines
}

const variable = new RegExp(`\\$(?:(${pathVariables.join('|')})(?![A-Za-z0-9_])|\\{(${pathVariables.join('|')})\\})`)

/** A path as a word of the shell in which the variables are replaced, and nothing else. */
export const pathWord = (path: string): string =>
  path
    .split(variable)
    // Text, the name after `$`, the name in `${}`, text, and so on.
    .map((part, index) => (index % 3 === 0 ? part && quoteWord(part) : part && `"$${part}"`))
    .join('')

/** Whether a path has a `$` that stands for no variable of {@link pathVariables}. */
export const hasOtherVariable = (path: string): boolean =>
  path.split(variable).some((part, index) => index % 3 === 0 && part.includes('$'))

function pieces(script: string): string[] {
  const found: string[] = []
  for (let at = 0; at < script.length;) {
    // A pair of surrogates is one character and stays together.
    const isInPair = /[\uD800-\uDBFF]/.test(script.charAt(at + unitsPerWord - 1))
    const end = at + unitsPerWord - (isInPair ? 1 : 0)
    found.push(script.slice(at, end))
    at = end
  }
  return found
}
