/**
 * What a token may be used for.
 *
 * - `read`: see one's jobs, their logs and events, and what the platform offers.
 * - `submit`: submit jobs.
 * - `manage`: cancel, delete and renew one's jobs.
 * - `admin`: the same for everybody's jobs, where the account is an administrator's.
 */
export const scopes = ['read', 'submit', 'manage', 'admin'] as const
/** One of {@link scopes}. */
export type Scope = (typeof scopes)[number]

/** What a token may do unless its maker says otherwise: everything with one's own jobs. */
export const defaultScopes = ['read', 'submit', 'manage'] as const satisfies readonly Scope[]

/** Whether a text names a scope. */
export const isScope = (text: string): text is Scope => (scopes as readonly string[]).includes(text)
