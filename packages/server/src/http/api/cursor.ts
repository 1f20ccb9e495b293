import { jobSorts, type JobSort } from '@science-platform/contract'
import { InvalidRequest } from '../../job/invalid.ts'
import type { StoredJob } from '../../job/job.ts'

/** A position in a sorted list: after this job. */
export interface Place {
  readonly name: string
  readonly seq: number
}

/** The cursor that continues a list after a job. It holds a position, so jobs may be added and removed between pages. Pure. */
export const cursorAfter = ({ name, seq }: Pick<StoredJob, 'name' | 'seq'>, sort: JobSort): string =>
  Buffer.from(JSON.stringify([sort, seq, ...(sort.endsWith('name') ? [name] : [])])).toString('base64url')

/** Parses a cursor of {@link cursorAfter}. Pure. @throws {InvalidRequest} for a cursor of another list, and any other text. */
export function readCursor(cursor: string, sort: JobSort): Place {
  const [of, seq, name = ''] = parts(cursor)
  if (!jobSorts.includes(of as JobSort) || !Number.isSafeInteger(seq) || typeof name !== 'string') {
    throw new InvalidRequest(
      'cursor',
      'cursor is not a cursor of this server',
      'Send next of the previous page unchanged.',
    )
  }
  if (of !== sort) {
    throw new InvalidRequest(
      'cursor',
      `cursor belongs to a list sorted by ${String(of)}`,
      `Ask for sort=${String(of)}.`,
    )
  }
  return { name, seq: seq as number }
}

function parts(cursor: string): unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(value) ? value : []
  } catch {
    // The caller refuses an empty list as an invalid cursor.
    return []
  }
}
