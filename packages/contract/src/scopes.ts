/**
 * What a token may be used for.
 *
 * - `read`: see one's jobs, their logs and events, and what the platform offers.
 * - `submit`: submit jobs.
 * - `manage`: cancel, delete and renew one's jobs; make, rotate and revoke one's tokens.
 * - `admin`: the same for everybody's jobs, and users, groups and projects, where the account is an administrator's.
 */
export const scopes = ['read', 'submit', 'manage', 'admin'] as const
/** One of {@link scopes}. */
export type Scope = (typeof scopes)[number]

/** What the token of a job may be used for: everything with its owner's jobs, and never to administer. */
export const jobScopes = ['read', 'submit', 'manage'] as const satisfies readonly Scope[]
/** One of {@link jobScopes}. */
export type JobScope = (typeof jobScopes)[number]
