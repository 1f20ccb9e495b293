import { printTable } from './table.ts'

/** The option of every command that prints something. */
export interface OutputOptions {
  readonly json?: true
}

/** Prints a result on standard output for programs. */
export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
}

/** Prints a list: as JSON with --json, else as a table. */
export function printList<T>(
  rows: readonly T[],
  { json }: OutputOptions,
  columns: Readonly<Record<string, (row: T) => string>>,
): void {
  if (json) printJson(rows)
  else
    printTable(
      Object.keys(columns),
      rows.map((row) => Object.values(columns).map((cell) => cell(row))),
    )
}

/** Prints the result of a change: the object as JSON on standard output with --json, else a line on standard error. */
export function printChange(value: unknown, { json }: OutputOptions, line: string): void {
  if (json) printJson(value)
  else process.stderr.write(`${line}\n`)
}
