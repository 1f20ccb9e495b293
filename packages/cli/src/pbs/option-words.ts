import { usageFailure } from '../failure.ts'

/** What each option letter of a program takes. */
export type OptionLetters = Readonly<Record<string, 'value' | 'flag'>>

/** The words of a command line, or of a directive in a script. */
export interface OptionWords {
  /** Options in their order; the value of a flag is empty. */
  readonly options: readonly (readonly [letter: string, value: string])[]
  readonly operands: readonly string[]
  /** The words after `--`; undefined without it. */
  readonly command: readonly string[] | undefined
}

/**
 * Reads options by the rules of getopt(3): `-N name`, `-Nname`, flags in one word. `where` names the place in errors, such as `line 3 of
 * job.sh: `. @throws {CommandFailure} for a letter that is not in the table, or without its value
 */
export function readOptionWords(
  words: readonly string[],
  letters: OptionLetters,
  help: string,
  where = '',
): OptionWords {
  const options: [string, string][] = []
  const operands: string[] = []
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    if (word === '--') return { options, operands, command: words.slice(at + 1) }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word)
      continue
    }
    for (let position = 1; position < word.length; position += 1) {
      const letter = word.charAt(position)
      const takes = Object.hasOwn(letters, letter) ? letters[letter] : undefined
      if (takes === undefined) throw usageFailure(`${where}there is no option -${letter}, in '${word}'`, help)
      if (takes === 'flag') {
        options.push([letter, ''])
        continue
      }
      const attached = word.slice(position + 1)
      const value = attached === '' ? words[(at += 1)] : attached
      if (value === undefined) throw usageFailure(`${where}-${letter} has no value`, help)
      options.push([letter, value])
      break
    }
  }
  return { options, operands, command: undefined }
}
