import { masked } from './secrets/mask.ts'

/** The loggable form of an error. */
export interface ErrorFacts {
  readonly type: string
  readonly message?: string
  readonly stack?: string
  readonly code?: string | number
  readonly cause?: ErrorFacts
}

/** Maximum characters of a message and of a stack. */
const messageLimit = 1_000
const stackLimit = 4_000

/** Maximum depth of the chain of causes. */
const mostCauses = 5

/**
 * Name, message, stack, code and causes of an error without secrets, and no other property. For any other thrown value, its
 * type. Pure.
 */
export function errorFacts(error: unknown, causes = mostCauses): ErrorFacts {
  if (!(error instanceof Error)) return { type: typeof error }
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  return {
    type: error.name,
    message: masked(error.message.slice(0, messageLimit)),
    stack: masked((error.stack ?? '').slice(0, stackLimit)),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(cause === undefined || causes === 0 ? {} : { cause: errorFacts(cause, causes - 1) }),
  }
}

/**
 * The message of an error with its code, followed by those of its causes, without repetitions. A message that ends with a full
 * stop is complete for users, so its causes are left out. Pure.
 */
export function errorText({ type, message, code, cause }: ErrorFacts): string {
  const own = message === undefined || message === '' ? type : message
  if (own.endsWith('.')) return own
  const coded = code === undefined || own.includes(String(code)) ? own : `${own} (${code})`
  const below = cause === undefined ? '' : errorText(cause)
  return own.includes(cause?.message ?? '') || below === '' ? coded : `${coded}: ${below}`
}
