/** Maximum width of the demo's lines. */
const columns = 80

/** Prints a heading with the number of the step. */
export function heading(step: number, steps: number, words: string): void {
  console.log(`\n[${step}/${steps}] ${words}`)
}

/** Prints lines below a heading unchanged. */
export function line(...words: readonly string[]): void {
  for (const word of words) console.log(`      ${word}`)
}

/** Prints a sentence below a heading with line breaks. */
export function sentence(text: string): void {
  let current = '     '
  for (const word of text.split(' ')) {
    if (current.length + 1 + word.length > columns && current.trim() !== '') {
      console.log(current)
      current = '       '
    }
    current += ` ${word}`
  }
  console.log(current)
}

/** Prints a command that can be copied, with quoted words and continued lines. */
export function command(words: readonly string[]): void {
  const lines: string[] = []
  let current = '      $'
  for (const word of words.map(quoted)) {
    if (current.length + 1 + word.length + 2 > columns) {
      lines.push(`${current} \\`)
      current = `          ${word}`
    } else {
      current += ` ${word}`
    }
  }
  console.log([...lines, current].join('\n'))
}

const quoted = (word: string): string => (/^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/**
 * Shows a message with the elapsed seconds during the work: on a terminal in one updated line, elsewhere in a line now and then.
 */
export async function showing<T>(words: string, work: Promise<T>): Promise<T> {
  const startedAt = performance.now()
  const seconds = (): string => `${Math.round((performance.now() - startedAt) / 1000)} s`
  const { isTTY } = process.stdout
  const show = (): void =>
    void process.stdout.write(isTTY ? `\r      ${words}… ${seconds()}` : `      ${words}… ${seconds()}\n`)
  show()
  const timer = setInterval(show, isTTY ? 1000 : 15_000)
  try {
    return await work
  } finally {
    clearInterval(timer)
    if (isTTY) process.stdout.write(`\r      ${words}: ${seconds()}   \n`)
  }
}
