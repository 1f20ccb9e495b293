import { once } from 'node:events'
import { styleText } from 'node:util'

/** Columns of the terminal; 80 when nobody knows. */
export function columns(): number {
  const fromEnvironment = Number(process.env['COLUMNS'])
  const known = process.stdout.columns ?? (Number.isInteger(fromEnvironment) ? fromEnvironment : 0)
  return known >= 20 ? known : 80
}

/** Writes a result. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Writes a remark about what goes on, which is no result. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Shows how far something is, in the place of what it showed before; nothing where stderr is no terminal. Undefined: it is done. */
export function showProgress(text: string | undefined): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text ?? ''}`)
}

/** Writes bytes of a log as they are, no faster than they are taken. */
export async function printBytes(bytes: Uint8Array): Promise<void> {
  if (!process.stdout.write(bytes)) await once(process.stdout, 'drain')
}

/** Whether somebody sits there who can answer. */
export const isInteractive = (): boolean => process.stdin.isTTY && process.stderr.isTTY

/** Colours a word on a terminal that shows colours; NO_COLOR is honoured. */
export const paint = (style: 'green' | 'red' | 'yellow' | 'cyan' | 'bold' | 'dim', text: string): string =>
  styleText(style, text, { stream: process.stdout })
