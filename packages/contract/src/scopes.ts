/**
 * What a token allows.
 *
 * - `read`: read the user's jobs with their logs and events, the names of files that the user sees, and what the platform offers.
 * - `submit`: submit jobs.
 * - `manage`: cancel, delete and renew the user's jobs; create, rotate and revoke the user's tokens.
 * - `admin`: the same for the jobs of every user, and users, groups and projects. Only for administrators.
 */
export const scopes = ['read', 'submit', 'manage', 'admin'] as const
/** One of {@link scopes}. */
export type Scope = (typeof scopes)[number]

/** Scopes that the token of a job may have: all but `admin`. */
export const jobScopes = ['read', 'submit', 'manage'] as const satisfies readonly Scope[]
/** One of {@link jobScopes}. */
export type JobScope = (typeof jobScopes)[number]
