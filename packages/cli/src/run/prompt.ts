import { createInterface } from 'node:readline/promises'
import { interrupted } from './interruption.ts'

/** Asks on the terminal and returns the typed line, trimmed. */
export async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await terminal.question(question)).trim()
  } finally {
    terminal.close()
  }
}

/** Asks on the terminal for a secret, which is not shown. */
export async function askSecret(question: string): Promise<string> {
  process.stderr.write(question)
  process.stdin.setRawMode(true)
  process.stdin.resume()
  process.stdin.setEncoding('utf8')
  try {
    return await readSecret()
  } finally {
    process.stdin.setRawMode(false)
    process.stdin.pause()
    process.stderr.write('\n')
  }
}

/** In raw mode, the keys that edit and end a line arrive as characters. */
function readSecret(): Promise<string> {
  return new Promise((resolve, reject) => {
    let secret = ''
    const onData = (typed: string): void => {
      for (const character of typed) {
        if (character === '\r' || character === '\n' || character === '\u0004') {
          process.stdin.off('data', onData)
          resolve(secret.trim())
          return
        }
        if (character === '\u0003') {
          process.stdin.off('data', onData)
          reject(interrupted())
          return
        }
        secret = character === '\u007f' || character === '\b' ? secret.slice(0, -1) : secret + character
      }
    }
    process.stdin.on('data', onData)
  })
}

/** The first line of stdin, trimmed. */
export async function readLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin })
  try {
    for await (const line of lines) return line.trim()
    return ''
  } finally {
    lines.close()
  }
}
