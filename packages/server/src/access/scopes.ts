import { scopes, type Scope } from '@science-platform/contract'

export { scopes, type Scope } from '@science-platform/contract'

/** What a token may do unless its maker says otherwise: everything with one's own jobs. */
export const defaultScopes = ['read', 'submit', 'manage'] as const satisfies readonly Scope[]

/** Whether a text names a scope. */
export const isScope = (text: string): text is Scope => (scopes as readonly string[]).includes(text)
