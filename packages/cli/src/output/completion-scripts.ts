/** What a completion script knows of a command. */
export interface CompletedCommand {
  readonly name: string
  readonly aliases: readonly string[]
  readonly summary: string
  readonly options: readonly CompletedOption[]
  readonly commands: readonly CompletedCommand[]
  /** Whether its arguments are ids of jobs or sessions. */
  readonly takesIds: boolean
}

/** An option; `--no-wait` counts as `wait` with `no-` before it. */
export interface CompletedOption {
  readonly long: string
  readonly short?: string
  readonly description: string
}

/** A command with the words that lead to it: `auth`, `token`, `create`. The program itself has none. */
interface Place {
  readonly path: readonly CompletedCommand[]
  readonly command: CompletedCommand
}

const idsCommand = 'canfar ps --all --quiet 2>/dev/null'

/** The program and every command below it. */
function places(command: CompletedCommand, path: readonly CompletedCommand[] = []): Place[] {
  return [{ path, command }, ...command.commands.flatMap((child) => places(child, [...path, child]))]
}

const namesOf = ({ name, aliases }: CompletedCommand): readonly string[] => [name, ...aliases]

/** Every way to write a path, with a slash before each word: `/auth/token/list`, `/auth/token/ls`. */
const spellings = (path: readonly CompletedCommand[]): string[] =>
  path.reduce<string[]>(
    (starts, command) => starts.flatMap((start) => namesOf(command).map((name) => `${start}/${name}`)),
    [''],
  )

/** The words that may follow a command: its subcommands, its options and those of the program. */
const wordsOf = ({ command }: Place, program: CompletedCommand): string =>
  [
    ...command.commands.map(({ name }) => name),
    ...new Set([...command.options, ...program.options].map(({ long }) => long)),
  ].join(' ')

/** Lines of a `case` in bash and zsh that set `words`, and `ids` where ids may follow. */
const cases = (program: CompletedCommand): string[] =>
  places(program).map((place) => {
    const ids = place.command.takesIds ? ' ids=1' : ''
    const patterns = spellings(place.path).map((spelling) => `"${spelling}"`)
    return `    ${patterns.join('|')}) words="${wordsOf(place, program)}"${ids} ;;`
  })

/** The shell's pattern of every path, which tells commands from ids and values of options. */
const pathPattern = (program: CompletedCommand): string =>
  places(program)
    .slice(1)
    .flatMap(({ path }) => spellings(path))
    .join('|')

/** A completion script for bash. */
export function bashCompletion(program: CompletedCommand): string {
  return [
    '# bash completion for canfar',
    '_canfar() {',
    '  local current="${COMP_WORDS[COMP_CWORD]}" place="" words="" ids="" word',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    `    case "$place/$word" in ${pathPattern(program)}) place="$place/$word" ;; esac`,
    '  done',
    '  case "$place" in',
    ...cases(program),
    '  esac',
    '  if [ -n "$ids" ] && [ "${current#-}" = "$current" ]; then',
    `    words="$words $(${idsCommand})"`,
    '  fi',
    '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")',
    '}',
    'complete -o default -F _canfar canfar',
  ].join('\n')
}

/** A completion script for zsh. */
export function zshCompletion(program: CompletedCommand): string {
  const described = program.commands.map(
    ({ name, summary }) => `    ${quote(`${name}:${summary.replaceAll(':', '\\:')}`)}`,
  )
  return [
    '#compdef canfar',
    '_canfar() {',
    '  local -a known candidates',
    '  local place="" words_after="" ids="" word',
    '  known=(',
    ...described,
    '  )',
    '  if (( CURRENT == 2 )) && [[ "$PREFIX" != -* ]]; then',
    '    _describe command known',
    '    return',
    '  fi',
    '  for word in "${(@)words[2,CURRENT-1]}"; do',
    `    case "$place/$word" in ${pathPattern(program)}) place="$place/$word" ;; esac`,
    '  done',
    '  case "$place" in',
    // zsh keeps the words of the command line in `words`.
    ...cases(program).map((line) => line.replace(' words="', ' words_after="')),
    '  esac',
    '  candidates=(${=words_after})',
    '  if [[ -n "$ids" && "$PREFIX" != -* ]]; then',
    `    candidates+=(\${(f)"$(${idsCommand})"})`,
    '  fi',
    '  compadd -a candidates',
    '}',
    // Read from a folder of completions this is the first call; read by `source` it is a definition.
    'if [ "$funcstack[1]" = _canfar ]; then _canfar "$@"; else compdef _canfar canfar; fi',
  ].join('\n')
}

/** A completion script for fish. */
export function fishCompletion(program: CompletedCommand): string {
  const lines = places(program).flatMap(({ path, command }) => {
    const seen = path.map((each) => `__fish_seen_subcommand_from ${namesOf(each).join(' ')}`)
    const children = command.commands.flatMap(namesOf).join(' ')
    const inside = seen.length === 0 ? '' : ` -n ${quote(seen.join('; and '))}`
    const before = [...seen, ...(children === '' ? [] : [`not __fish_seen_subcommand_from ${children}`])].join('; and ')
    return [
      ...command.commands.map(
        ({ name, summary }) => `complete -c canfar -n ${quote(before)} -f -a ${name} -d ${quote(summary)}`,
      ),
      ...command.options.map(({ long, short, description }) => {
        const flag = short === undefined ? '' : ` -s ${short.slice(1)}`
        return `complete -c canfar${inside} -l ${long.slice(2)}${flag} -d ${quote(description)}`
      }),
      ...(command.takesIds ? [`complete -c canfar${inside} -f -a '(${idsCommand})'`] : []),
    ]
  })
  return ['# fish completion for canfar', ...lines].join('\n')
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
