import { JobRequest } from '@science-platform/contract'
import Type from 'typebox'
import { compileSchema } from '../server/validation.ts'
import type { Parameters } from './parameters.ts'

/** Extensions of the wire: parameters for the queue, with the names of the fields of `/api/v1`. */
const names = {
  time: 'timeSeconds',
  grace: 'graceSeconds',
  signal: 'signal',
  when: 'when',
  after: 'after',
  by: 'by',
  group: 'group',
  gpukind: 'gpuKind',
} as const
type Wish = (typeof names)[keyof typeof names]

const Wishes = Type.Pick(JobRequest, Object.values(names))
const validate = compileSchema({ schema: Wishes, httpPart: 'querystring', method: 'POST', url: '/session' })

/**
 * When a job may start, how long it may run, and whom it is charged to: optional parameters that the published clients
 * do not send.
 * @throws {InvalidRequest} naming the field.
 */
export function queueWishes(parameters: Parameters): Pick<JobRequest, Wish> {
  const given = Object.entries(names).flatMap(([name, key]): [string, string][] => {
    const value = parameters.text(name)?.trim()
    return value === undefined ? [] : [[key, value]]
  })
  if (given.length === 0) return {}
  const result = validate(Object.fromEntries(given)) as { value: Pick<JobRequest, Wish> } | { error: Error }
  if ('error' in result) throw result.error
  return result.value
}
