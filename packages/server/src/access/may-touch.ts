import type { StoredJob } from '../job/job.ts'
import type { Caller } from './authenticate.ts'

/** Whether the caller acts as an administrator: the account is one, and the token was made for it. Pure. */
export const isAdministrator = (caller: Caller): boolean => caller.account.admin && caller.scopes.has('admin')

/**
 * Whether a job is the caller's business: its owner's, or an administrator's. To everybody else it does not exist. What
 * may be done with it is for the token's scopes to say. Pure.
 */
export const mayTouch = (caller: Caller, job: Pick<StoredJob, 'owner'>): boolean =>
  job.owner === caller.account.name || isAdministrator(caller)
