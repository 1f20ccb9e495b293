import { fullImageReference } from '@science-platform/client'
import type { JobRequest } from '@science-platform/contract'
import { limits } from '@science-platform/contract/limits'
import { usageFailure } from '../failure.ts'

/**
 * The requests of a file: a JSON array of them, an object with the array `jobs`, or one request a line. The server checks them; images get
 * their registry as those of a command line do. `path` names the file in errors.
 */
export function requestsOf(text: string, path: string): JobRequest[] {
  const whole = parsed(text)
  const list = whole === undefined ? linesOf(text, path) : listIn(whole)
  if (list.length === 0)
    throw usageFailure(`--file: ${path} has no request`, 'write one request a line: {"name": …, "image": …}')
  if (list.length > limits.batch)
    throw usageFailure(
      `--file: ${path} has ${list.length} requests`,
      `submit at most ${limits.batch} at once; split -l ${limits.batch} cuts a file of lines`,
    )
  return list.map((request, index) => {
    if (typeof request !== 'object' || request === null || Array.isArray(request))
      throw usageFailure(
        `--file: request ${index + 1} of ${path} is ${JSON.stringify(request)?.slice(0, 40)}`,
        'write a request as an object: {"name": …, "image": …}',
      )
    const { image, ...rest } = request as JobRequest
    return { ...rest, image: typeof image === 'string' ? fullImageReference(image) : image }
  })
}

const listIn = (whole: object): readonly unknown[] => {
  if (Array.isArray(whole)) return whole
  return 'jobs' in whole && Array.isArray(whole.jobs) ? whole.jobs : [whole]
}

/** A text that is one JSON object or array; undefined where it is not. */
function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function linesOf(text: string, path: string): unknown[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    try {
      return [JSON.parse(line) as unknown]
    } catch (error) {
      throw usageFailure(
        `--file: line ${index + 1} of ${path} is not JSON: ${(error as Error).message}`,
        'write one request a line, or all of them as a JSON array',
        error,
      )
    }
  })
}
