import type { Caller } from './authenticate.ts'

/** Whether the caller acts as an administrator: account and token both have the right. Pure. */
export const isAdministrator = (caller: Caller): boolean => caller.account.admin && caller.scopes.has('admin')

/**
 * The owner of the jobs that the caller may access: the caller's account; undefined for an administrator, who may access all
 * jobs. Other jobs do not exist for the caller. The token's scopes limit the actions. Pure.
 */
export const mayTouchJobsOf = (caller: Caller): string | undefined =>
  isAdministrator(caller) ? undefined : caller.account.name
