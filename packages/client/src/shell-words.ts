const plainWord = /^[A-Za-z0-9_@%+=:,./-]+$/

/** One word, quoted so that a POSIX shell reads it as the very same word; left as it is where nothing needs quoting. */
export const quoteWord = (word: string): string => (plainWord.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/** Words as one line that shell rules split into the very same words. Plain words also survive splitting at spaces. */
export const joinWords = (words: readonly string[]): string => words.map(quoteWord).join(' ')

/**
 * Splits a line by the quoting rules of a POSIX shell: quotes and backslashes count, while variables, patterns and
 * operators are plain text. Undefined when a quote is never closed.
 */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = []
  let word: string | undefined
  let quote: '"' | "'" | undefined
  for (let index = 0; index < line.length; index += 1) {
    const character = line.charAt(index)
    const next = line.charAt(index + 1)
    if (quote === "'") {
      if (character === "'") quote = undefined
      else word = (word ?? '') + character
    } else if (character === '\\' && (quote === undefined || '"\\$`\n'.includes(next)) && next !== '') {
      // A backslash before a line break joins the lines (POSIX, Shell Command Language, 2.2.1).
      if (next !== '\n') word = (word ?? '') + next
      index += 1
    } else if (quote === '"') {
      if (character === '"') quote = undefined
      else word = (word ?? '') + character
    } else if (character === '"' || character === "'") {
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + character
    }
  }
  if (quote !== undefined) return undefined
  if (word !== undefined) words.push(word)
  return words
}
