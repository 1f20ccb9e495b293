import { jobSorts, type JobSort } from '@science-platform/contract'
import { InvalidRequest } from '../../job/invalid.ts'
import type { StoredJob } from '../../job/job.ts'

/** A place in the order of a list: after this job. */
export interface Place {
  readonly name: string
  readonly seq: number
}

/** The cursor that continues a list after a job. It holds a place, not a page: jobs may come and go. Pure. */
export const cursorAfter = ({ name, seq }: Pick<StoredJob, 'name' | 'seq'>, sort: JobSort): string =>
  Buffer.from(JSON.stringify([sort, seq, ...(sort.endsWith('name') ? [name] : [])])).toString('base64url')

/** Reads what {@link cursorAfter} wrote. Pure. @throws {InvalidRequest} where it is another list's, or made up. */
export function readCursor(cursor: string, sort: JobSort): Place {
  const [of, seq, name = ''] = parts(cursor)
  if (!jobSorts.includes(of as JobSort) || !Number.isSafeInteger(seq) || typeof name !== 'string') {
    throw new InvalidRequest(
      'cursor',
      'cursor is not one that this server gave',
      'Use next of the page before, as it is.',
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
    // What is not JSON is not ours; the caller says so.
    return []
  }
}
