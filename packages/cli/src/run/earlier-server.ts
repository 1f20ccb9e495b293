import { ProblemError, type Jobs } from '@science-platform/client'
import { usageFailure, type CommandFailure } from '../failure.ts'
import type { Platform } from '../platform.ts'

/**
 * An error of the server as its user should read it: a server of an earlier version calls the field of a newer option an unknown key.
 * @param options - The option of each field.
 */
export function explained(error: unknown, options: Readonly<Record<string, string>>): unknown {
  if (!(error instanceof ProblemError) || error.status !== 400 || !/\bunknown key\b/.test(error.message)) return error
  const option = options[error.field ?? '']
  return option === undefined ? error : unknownHere(option, error)
}

/** The platform's own API. @throws {CommandFailure} where the server has none, so that it does not know the option. */
export async function jobsFor({ jobs }: Pick<Platform, 'jobs'>, option: string): Promise<Jobs> {
  const own = await jobs()
  if (own === undefined) throw unknownHere(option)
  return own
}

/** The failure of a command whose option the server does not know. */
export const unknownHere = (option: string, cause?: unknown): CommandFailure =>
  usageFailure(
    `this server does not know ${option}`,
    `leave ${option} out; newer servers of this platform know it`,
    cause,
  )
