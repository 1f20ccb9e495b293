/** What a completion script knows of a command. */
export interface CompletedCommand {
  readonly name: string
  readonly aliases: readonly string[]
  readonly summary: string
  readonly options: readonly { readonly long: string; readonly short?: string; readonly description: string }[]
  readonly commands: readonly CompletedCommand[]
  readonly takesIds: boolean
}

const shared = ['--json', '--output', '--verbose', '--debug', '--help']

/** The words that may follow a command. */
const wordsOf = ({ options, commands }: CompletedCommand): string =>
  [...commands.map(({ name }) => name), ...options.map(({ long }) => long), ...shared].join(' ')

const patterns = ({ name, aliases }: CompletedCommand): string => [name, ...aliases].join('|')

/** A completion script for bash. */
export function bashCompletion(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(
    (command) => `    ${patterns(command)}) words="${wordsOf(command)}"${command.takesIds ? '; ids=1' : ''} ;;`,
  )
  return [
    '# bash completion for canfar',
    '_canfar() {',
    '  local current="${COMP_WORDS[COMP_CWORD]}" command="" words="" ids="" word',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    case "$word" in -*) ;; *) command="$word"; break ;; esac',
    '  done',
    '  case "$command" in',
    `    "") words="${commands.map(({ name }) => name).join(' ')} ${shared.join(' ')}" ;;`,
    ...cases,
    '  esac',
    '  if [ -n "$ids" ] && [ "${current#-}" = "$current" ]; then',
    '    words="$words $(canfar ps --all --quiet 2>/dev/null)"',
    '  fi',
    '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")',
    '}',
    'complete -o default -F _canfar canfar',
  ].join('\n')
}

/** A completion script for zsh. */
export function zshCompletion(commands: readonly CompletedCommand[]): string {
  const described = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary.replaceAll(':', '\\:')}`)}`)
  const cases = commands.map(
    (command) => `    ${patterns(command)}) candidates=(${wordsOf(command)})${command.takesIds ? '; ids=1' : ''} ;;`,
  )
  return [
    '#compdef canfar',
    '_canfar() {',
    '  local -a known candidates',
    '  local ids=""',
    '  known=(',
    ...described,
    '  )',
    '  if (( CURRENT == 2 )); then',
    '    _describe command known',
    '    return',
    '  fi',
    '  case "$words[2]" in',
    ...cases,
    '  esac',
    '  if [[ -n "$ids" && "$PREFIX" != -* ]]; then',
    '    candidates+=(${(f)"$(canfar ps --all --quiet 2>/dev/null)"})',
    '  fi',
    '  compadd -a candidates',
    '}',
    // Read from a folder of completions this is the first call; read by `source` it is a definition.
    'if [ "$funcstack[1]" = _canfar ]; then _canfar "$@"; else compdef _canfar canfar; fi',
  ].join('\n')
}

/** A completion script for fish. */
export function fishCompletion(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap((command) => {
    const seen = `-n '__fish_seen_subcommand_from ${[command.name, ...command.aliases].join(' ')}'`
    return [
      `complete -c canfar -n __fish_use_subcommand -f -a ${command.name} -d ${quote(command.summary)}`,
      ...command.commands.map(({ name, summary }) => `complete -c canfar ${seen} -f -a ${name} -d ${quote(summary)}`),
      ...command.options.map(({ long, short, description }) => {
        const flag = short === undefined ? '' : ` -s ${short.slice(1)}`
        return `complete -c canfar ${seen} -l ${long.slice(2)}${flag} -d ${quote(description)}`
      }),
      ...(command.takesIds ? [`complete -c canfar ${seen} -f -a '(canfar ps --all --quiet 2>/dev/null)'`] : []),
    ]
  })
  return ['# fish completion for canfar', ...lines].join('\n')
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
