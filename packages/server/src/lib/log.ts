import { pino, type DestinationStream, type Logger } from 'pino'
import { masked } from './secrets/mask.ts'

/**
 * What may be logged beside a message. Anything else is left out by its name: a request, a job or a configuration that is
 * handed to the log by mistake gives nothing away.
 */
const loggable: ReadonlySet<string> = new Set([
  'attempt',
  'attemptId',
  'count',
  'deleted',
  'entries',
  'failure',
  'folder',
  'head',
  'hint',
  'jobId',
  'judgement',
  'lost',
  'method',
  'milliseconds',
  'registry',
  'reqId',
  'route',
  'signal',
  'slot',
  'slots',
  'stage',
  'state',
  'status',
  'sysctl',
])

/** Characters of one text, and of one error's stack, that are logged. */
const textLimit = 1_000
const stackLimit = 4_000

/** How many causes of an error are followed. */
const mostCauses = 5

/** A log of JSON lines, whose fields are allowed one by one and whose texts hold no tokens or passwords. */
export const createLog = (level: string, destination: DestinationStream): Logger =>
  pino(
    { level, serializers: { err: (error: unknown) => errorFacts(error, mostCauses) }, formatters: { log } },
    destination,
  )

const log = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      name === 'err' ? value : loggable.has(name) ? plain(value) : '(not logged)',
    ]),
  )

/** Numbers, truths, texts, and lists of them. Pure. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return masked(value.slice(0, textLimit))
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return value
  if (Array.isArray(value)) return value.slice(0, 100).map(plain)
  return '(not logged)'
}

/** What is said of an error: neither what it carries besides, nor what it was thrown in place of an error. Pure. */
function errorFacts(error: unknown, causes: number): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error }
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  return {
    type: error.name,
    message: masked(error.message.slice(0, textLimit)),
    stack: masked((error.stack ?? '').slice(0, stackLimit)),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(cause === undefined || causes === 0 ? {} : { cause: errorFacts(cause, causes - 1) }),
  }
}
