import type { StoredEvent } from '../../store/store.ts'
import { wireTime } from './session-record.ts'

/**
 * The events of a job on the wire (wire contract 1.7): a heading and rows of five cells, three or more spaces between them.
 * Equal events are one row with the first and the last time. Pure.
 */
export function eventsTable(events: readonly StoredEvent[]): string {
  if (events.length === 0) return '<none>\n'
  const rows = [['TYPE', 'REASON', 'MESSAGE', 'FIRST-TIME', 'LAST-TIME'], ...collapsed(events)]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)) + 3)
  return rows.map((row) => `${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('')}\n`).join('')
}

function collapsed(events: readonly StoredEvent[]): string[][] {
  const rows = new Map<string, [string, string, string, string, string]>()
  for (const event of events) {
    const [type, reason, message] = [cell(event.type), cell(event.reason), cell(event.message)]
    const at = wireTime(event.at)
    const key = JSON.stringify([type, reason, message])
    const row = rows.get(key)
    if (row === undefined) rows.set(key, [type, reason, message, at, at])
    else row[4] = at
  }
  return [...rows.values()]
}

/** Clients split rows at two or more spaces and expect five cells: no cell may be empty or contain such a gap. */
const cell = (text: string): string => text.trim().replaceAll(/\s+/g, ' ') || '<none>'
