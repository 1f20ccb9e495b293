import type { ProblemBody } from '@science-platform/contract'
import Type, { type TUnsafe } from 'typebox'

/** A schema that was added to the server by its name. */
const named = <T>(name: string): TUnsafe<T> => Type.Unsafe<T>(Type.Ref(name))

/** A success with a JSON body, whose schema was added by its name. */
export const answer = <T>(name: string, description: string) => ({
  description,
  content: { 'application/json': { schema: named<T>(name) } },
})

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: named<ProblemBody>('Problem') } },
})

/** What every route may answer besides success. */
export const problemResponses = {
  '4xx': problem('What was wrong with the request, and what would do'),
  '5xx': problem('The server failed'),
} as const
