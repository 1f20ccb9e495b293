import type { Connection, Outgoing } from './connection.ts'
import { problemFrom } from './problem-error.ts'

/**
 * The JSON answer of the platform's own API; undefined for 204 No Content. Throws {@link ProblemError} when the server
 * refuses the request, and what {@link Connection.exchange} throws.
 */
export async function apiJson(connection: Connection, outgoing: Outgoing): Promise<unknown> {
  const answer = await connection.exchange(outgoing)
  const request = `${outgoing.method} ${outgoing.url.split('?')[0] ?? ''}`
  if (answer.status < 200 || answer.status >= 300) throw problemFrom(answer, request)
  if (answer.status === 204) return undefined
  try {
    return JSON.parse(answer.text)
  } catch (error) {
    throw new Error(`${request}: the answer is not JSON; is this the platform's own server?`, { cause: error })
  }
}
