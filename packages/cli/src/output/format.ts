/** Format of results: for people, or for programs. */
export type OutputFormat = 'human' | 'json' | 'yaml'

/**
 * The format of a command line, with the option anywhere before `--`. Read from the words themselves, so that errors in the
 * command line have the format too.
 */
export function requestedFormat(argv: readonly string[]): OutputFormat {
  const end = argv.indexOf('--')
  const words = end === -1 ? argv : argv.slice(0, end)
  for (const [index, word] of words.entries()) {
    if (word === '--json') return 'json'
    const value = /^(?:-o|--output=)(json|yaml)$/.exec(word)?.[1]
    const next = word === '-o' || word === '--output' ? words[index + 1] : undefined
    const format = value ?? next
    if (format === 'json' || format === 'yaml') return format
  }
  return 'human'
}

/** The text of a value in a format for programs. */
export async function serialise(value: unknown, format: 'json' | 'yaml'): Promise<string> {
  if (format === 'json') return JSON.stringify(value, null, 2)
  const { stringify } = await import('yaml')
  return stringify(value).trimEnd()
}
