import type { Caller } from './authenticate.ts'

/** Whether the caller acts as an administrator: the account is one, and the token was made for it. Pure. */
export const isAdministrator = (caller: Caller): boolean => caller.account.admin && caller.scopes.has('admin')

/**
 * Whose jobs are the caller's business: his own; undefined: everybody's, for an administrator. To everybody else a job does
 * not exist. What may be done with it is for the token's scopes to say. Pure.
 */
export const mayTouchJobsOf = (caller: Caller): string | undefined =>
  isAdministrator(caller) ? undefined : caller.account.name
