import { setTimeout as pause } from 'node:timers/promises'
import { SessionRequestError, type Session } from '@science-platform/client'
import type { SessionRecord } from '@science-platform/contract'
import { endingOfJob, endingOfSession, type Ending } from './ending.ts'
import type { Platform } from '../platform.ts'

/** Milliseconds between two requests to a server without long polls. Operators ask for no shorter interval. */
const pollMilliseconds = 5_000

/** Options of waiting. */
export interface Waiting {
  readonly signal: AbortSignal
  /** Called for each job as soon as it has ended. */
  readonly onEnded: (ending: Ending) => void
}

/** Waits until every job has ended and returns the ends in the order of the ids. */
export async function waitForEndings(
  platform: Platform,
  ids: readonly string[],
  { signal, onEnded }: Waiting,
): Promise<Ending[]> {
  const jobs = await platform.jobs()
  if (jobs !== undefined) {
    const ended = await jobs.wait(ids, {
      signal,
      onEnded: (job) => {
        onEnded(endingOfJob(job))
      },
    })
    return ended.map(endingOfJob)
  }
  return Promise.all(
    ids.map(async (id) => {
      const ending = await pollUntilEnded(platform.session, id, signal)
      onEnded(ending)
      return ending
    }),
  )
}

/** Polls a session until it has ended. A session that disappears has been deleted. */
async function pollUntilEnded(session: Session, id: string, signal: AbortSignal): Promise<Ending> {
  for (let name: string | undefined; ; await pause(pollMilliseconds, undefined, { signal })) {
    const record = await lookAt(session, id, name !== undefined)
    if (record === undefined) return { id, name: name ?? id, state: 'cancelled' }
    const ending = endingOfSession(record)
    if (ending !== undefined) return ending
    name = record.name
  }
}

async function lookAt(session: Session, id: string, wasSeen: boolean): Promise<SessionRecord | undefined> {
  try {
    return (await session.info(id))[0]
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    if (wasSeen && cause instanceof SessionRequestError && cause.status === 404) return undefined
    throw error
  }
}
