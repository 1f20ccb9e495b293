import { duration } from '../output/quantities.ts'
import { note } from '../output/terminal.ts'

/** How long before its end a token is worth a word: a week. */
const nearMs = 7 * 86_400_000

/** What to say of a token that ends at an instant, in RFC 3339; undefined where it is far, past or not told. Pure. */
export function expiryWarning(expires: string | null, now: number): string | undefined {
  const left = Date.parse(expires ?? '') - now
  if (!(left > 0 && left < nearMs)) return undefined
  return `canfar: your token ends in ${duration(left / 1000)}; ask for a new one, then: canfar auth login`
}

/** A `fetch` that tells the user once when the server says that the token ends soon. */
export function tellingExpiry(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
  let isTold = false
  return async (input, init) => {
    const response = await fetch(input, init)
    const warning = isTold ? undefined : expiryWarning(response.headers.get('x-token-expires'), Date.now())
    if (warning !== undefined) {
      isTold = true
      note(warning)
    }
    return response
  }
}
