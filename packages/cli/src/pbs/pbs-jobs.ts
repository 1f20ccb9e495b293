import { ProblemError, type Jobs } from '@science-platform/client'
import { CommandFailure } from '../failure.ts'
import { platformFor, type Platform } from '../platform.ts'

/** The jobs of the server that the environment or the configuration names, as for `canfar`. Nothing is printed beside results. */
export async function pbsJobs(program: string): Promise<Pick<Platform, 'login'> & { readonly jobs: Jobs }> {
  const platform = await platformFor({ format: 'json', verbose: false })
  const jobs = await platform.jobs(10)
  if (jobs !== undefined) return { jobs, login: platform.login }
  throw new CommandFailure(
    'usage',
    'command.validation_failed',
    `the server ${platform.login.url} is no server of this platform`,
    `${program} needs its own API; on other servers use canfar create`,
  )
}

/** The id in a word of an engine, which may end in a line break, or in the name of a server as in `k3x9a0qz.pbs01`. */
export const idIn = (word: string): string => word.trim().split('.')[0] ?? ''

/** Whether a word can be an id: the server refuses others. */
export const isId = (word: string): boolean => /^[a-z][a-z0-9]{7}$/.test(word)

/** What the caller reads where a server of an earlier version does not know a field of the request. */
export const newerServerNeeded = (error: unknown): unknown =>
  error instanceof ProblemError && error.status === 400 && /\bunknown key\b/.test(error.message)
    ? new CommandFailure(
        'refused',
        'server.invalid-request',
        `this server is too old for qsub: it does not know ${error.field ?? 'a field'}`,
        'use canfar create, or ask the people who run the server to upgrade it',
        error,
      )
    : error

/** The exit code of PBS programs for an id that is not known (PBSE_UNKJOBID, 15001, in eight bits). */
export const unknownJobCode = 153
