import type { ProblemBody } from '@science-platform/contract'
import Type, { type TUnsafe } from 'typebox'

/** A reference to a schema that was added to the server. */
const named = <T>(name: string): TUnsafe<T> => Type.Unsafe<T>(Type.Ref(name))

/** A JSON response whose schema was added to the server. */
export const answer = <T>(name: string, description: string) => ({
  description,
  content: { 'application/json': { schema: named<T>(name) } },
})

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: named<ProblemBody>('Problem') } },
})

/** The error responses of every route. */
export const problemResponses = {
  '4xx': problem('The fault of the request, and a hint'),
  '5xx': problem('The server failed'),
} as const
