import { scopes, type Scope } from '@science-platform/contract'

export { scopes, type Scope } from '@science-platform/contract'

/** The default scopes of a token: all actions on the user's own jobs. */
export const defaultScopes = ['read', 'submit', 'manage'] as const satisfies readonly Scope[]

/** Whether a text is the name of a scope. */
export const isScope = (text: string): text is Scope => (scopes as readonly string[]).includes(text)
