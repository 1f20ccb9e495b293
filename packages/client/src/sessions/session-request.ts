import { joinWords } from '@science-platform/contract/shell-words'
import { fullImageReference } from './image-reference.ts'

/** The kinds of session that skaha servers know (wire contract 5.2). */
export const sessionKinds = [
  'desktop',
  'notebook',
  'carta',
  'headless',
  'firefly',
  'desktop-app',
  'contributed',
] as const
/** One of {@link sessionKinds}. */
export type SessionKind = (typeof sessionKinds)[number]

/** Statuses that a list can be filtered by. On this platform `Succeeded` also matches `Completed`, and `Error` matches `Failed`. */
export const sessionStatuses = [
  'Pending',
  'Running',
  'Terminating',
  'Succeeded',
  'Completed',
  'Error',
  'Failed',
] as const
/** One of {@link sessionStatuses}. */
export type SessionStatus = (typeof sessionStatuses)[number]

/** A session to create, or `replicas` of them. */
export interface SessionRequest {
  /** Letters, digits and hyphens, up to 63. Replicas are named `name-1`, `name-2`, … */
  readonly name: string
  /** `host/project/name:tag`; `project/name` means images.canfar.net, no tag means `latest`. */
  readonly image: string
  /** Whole cores. Left out: flexible. */
  readonly cores?: number
  /** Memory in GiB. Left out: flexible. */
  readonly ram?: number
  /** @defaultValue 'headless' */
  readonly kind?: SessionKind
  /** Whole GPUs. Left out: none. */
  readonly gpu?: number
  /** The program. Left out: the image's entry point. Headless only. */
  readonly cmd?: string
  /** A list is quoted so that the server reads the same words; a string is sent as it is. Headless only. */
  readonly args?: string | readonly string[]
  /** Headless only. */
  readonly env?: Readonly<Record<string, string | number | boolean>>
  /** Number of sessions, each with REPLICA_ID (from 1) and REPLICA_COUNT in its environment. @defaultValue 1 */
  readonly replicas?: number
}

/** One POST: its name, and its parameters in the order of the published client (wire contract 1.2). */
export interface SessionForm {
  readonly name: string
  readonly parameters: URLSearchParams
}

/** The requests of a submission, one per replica. Throws RangeError or TypeError for what no server accepts. */
export function sessionForms(request: SessionRequest): SessionForm[] {
  const { kind = 'headless', replicas = 1 } = request
  if (!Number.isInteger(replicas) || replicas < 1)
    throw new RangeError(`replicas is ${replicas}; it must be a whole number from 1`)
  if (replicas > 1 && (kind === 'desktop' || kind === 'firefly'))
    throw new RangeError(`replicas is ${replicas}; ${kind} sessions come one at a time`)
  if (kind !== 'headless' && (request.cmd ?? request.args ?? request.env) !== undefined)
    throw new TypeError(`cmd, args and env are for headless sessions; the kind is ${kind}`)
  return Array.from({ length: replicas }, (_, index) => {
    const name = replicas === 1 ? request.name : `${request.name}-${index + 1}`
    return { name, parameters: new URLSearchParams(pairs(request, name, kind, index + 1, replicas)) }
  })
}

function pairs(
  request: SessionRequest,
  name: string,
  kind: SessionKind,
  replica: number,
  replicas: number,
): [string, string][] {
  const args = typeof request.args === 'object' ? joinWords(request.args) : request.args
  const scalars: [string, string | number | undefined][] = [
    ['name', name],
    ['image', fullImageReference(request.image)],
    ['cores', request.cores],
    ['ram', request.ram],
    ['type', kind],
    ['gpus', request.gpu],
    ['cmd', request.cmd],
    ['args', args === '' ? undefined : args],
  ]
  const environment = { ...request.env, REPLICA_ID: replica, REPLICA_COUNT: replicas }
  return [
    ...scalars.flatMap(([key, value]): [string, string][] => (value === undefined ? [] : [[key, String(value)]])),
    ...Object.entries(environment).map(([key, value]): [string, string] => ['env', `${key}=${value}`]),
  ]
}
