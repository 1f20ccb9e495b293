import { once } from 'node:events'
import { fstatSync } from 'node:fs'
import { styleText } from 'node:util'

/** Columns of the terminal; 80 when unknown. */
export function columns(): number {
  const fromEnvironment = Number(process.env['COLUMNS'])
  const known = process.stdout.columns ?? (Number.isInteger(fromEnvironment) ? fromEnvironment : 0)
  return known >= 20 ? known : 80
}

/** Prints a result on stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Prints a remark on stderr. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Shows progress on a line of the terminal, which each call replaces. Undefined clears the line. */
export function showProgress(text: string | undefined): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text ?? ''}`)
}

/** Writes bytes of a log, with back-pressure. */
export async function printBytes(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain')
}

/** Whether a user can answer questions. */
export const isInteractive = (): boolean => process.stdin.isTTY && process.stderr.isTTY

/** Whether something is piped into this program, or redirected from a file with content. */
export function isPiped(): boolean {
  try {
    const found = fstatSync(0)
    return found.isFIFO() || (found.isFile() && found.size > 0)
  } catch {
    return false // closed
  }
}

/** Colours a word on a terminal that shows colours and without NO_COLOR. */
export const paint = (style: 'green' | 'red' | 'yellow' | 'cyan' | 'bold' | 'dim', text: string): string =>
  styleText(style, text, { stream: process.stdout })
