import { duration } from '../output/quantities.ts'
import { note } from '../output/terminal.ts'

/** Time before its expiry at which a token causes a warning: a week. */
const nearMs = 7 * 86_400_000

/** A warning about a token with this expiry (RFC 3339); undefined when the expiry is far, past or unknown. Pure. */
export function expiryWarning(expires: string | null, now: number): string | undefined {
  const left = Date.parse(expires ?? '') - now
  if (!(left > 0 && left < nearMs)) return undefined
  return `canfar: your token expires in ${duration(left / 1000)}; get a new token, then: canfar auth login`
}

/** A `fetch` that warns once when the server says that the token expires soon. */
export function warningOfExpiry(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  let hasWarned = false
  return async (input, init) => {
    const response = await fetch(input, init)
    const warning = hasWarned ? undefined : expiryWarning(response.headers.get('x-token-expires'), Date.now())
    if (warning !== undefined) {
      hasWarned = true
      note(warning)
    }
    return response
  }
}
