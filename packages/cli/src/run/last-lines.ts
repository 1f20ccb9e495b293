import { stripVTControlCharacters } from 'node:util'
import type { Jobs } from '@science-platform/client'
import type { Ending } from './ending.ts'

/** Bytes of the end of a log that are looked at, lines that are shown of them, and characters of a line. */
const shown = { bytes: 4_000, lines: 10, characters: 200 }

/** The last lines of a log, as a terminal would show them: without control characters, and of a redrawn line its last state. Pure. */
export function lastLinesOf(end: Uint8Array, isCut: boolean): string[] {
  const lines = new TextDecoder().decode(end).split('\n')
  // The first line is cut anywhere, also within a character.
  if (isCut && lines.length > 1) lines.shift()
  return lines
    .map((line) => line.replace(/\r+$/, '').replace(/^.*\r/s, ''))
    .map((line) => stripVTControlCharacters(line).replaceAll(/[^\P{Cc}\t]/gu, ''))
    .map((line) => (line.length > shown.characters ? `${line.slice(0, shown.characters)}…` : line))
    .filter((line, i, all) => line !== '' || all.slice(i).some((later) => later !== ''))
    .slice(-shown.lines)
}

/** What a failed job wrote last, as lines to print below its ending. Nothing of a job without output, or without our API. */
export async function lastLines(
  jobs: Jobs | undefined,
  { id, state }: Ending,
  signal?: AbortSignal,
): Promise<string[]> {
  if (jobs === undefined || state !== 'failed') return []
  try {
    const end = await jobs.logEnd(id, shown.bytes, { signal })
    const lines = lastLinesOf(end, end.length === shown.bytes)
    return lines.length === 0
      ? []
      : [...lines.map((line) => `  | ${line}`), `  canfar logs ${id} prints all of its output`]
  } catch {
    return [] // how the job ended matters more than its last lines
  }
}
