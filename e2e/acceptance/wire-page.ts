import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ClientName } from './published-client.ts'

const page = readFileSync(fileURLToPath(new URL('../../docs/wire.md', import.meta.url)), 'utf8')

/**
 * The table of docs/wire.md about a client: its calls or commands, each with what works. Of a call with several rows the first
 * one counts. @param heading the beginning of the table's first heading
 */
export function promisedCalls(heading: string, client: ClientName): Map<string, string> {
  const table = page.split('\n\n').find((part) => part.trimStart().startsWith(`| ${heading}`)) ?? ''
  const [titles = [], , ...rows] = table
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
  const column = titles.findIndex((title) => title.startsWith(client.replace('-', ' ')))
  const calls = new Map<string, string>()
  for (const row of rows) {
    // The leading names of the cell, such as `run`, `launch`, `del`.
    const names = /^(?:`[^`]+`(?:, )?)+/.exec(row[1] ?? '')?.[0] ?? ''
    for (const [, name = ''] of names.matchAll(/`(\w+)/g)) if (!calls.has(name)) calls.set(name, row[column] ?? '')
  }
  return calls
}
