import { isatty } from 'node:tty'
import { pino, type DestinationStream, type Logger } from 'pino'
import { errorFacts } from './error-facts.ts'
import { recordText, type LogRecord } from './log-text.ts'
import { masked } from './secrets/mask.ts'

/** The format of records: one line of text for people, or one JSON object per line for programs. */
export type LogFormat = 'text' | 'json'

/**
 * Names of fields that may be logged. The values of other fields are dropped, so that a logged request, job or configuration
 * reveals no secrets. A test compares the names with those that the sources log.
 */
export const loggable: ReadonlySet<string> = new Set([
  'attempt',
  'attemptId',
  'bytesUsed',
  'configured',
  'count',
  'deleted',
  'entries',
  'failure',
  'fileSystem',
  'folder',
  'found',
  'gateway',
  'head',
  'hint',
  'image',
  'images',
  'jobId',
  'judgement',
  'kind',
  'limitBytes',
  'lost',
  'method',
  'milliseconds',
  'objects',
  'phase',
  'program',
  'project',
  'reason',
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
  'upstreams',
])

/** Maximum characters of a text. */
const textLimit = 1_000

/** Maximum pending bytes for a slow reader of the log. Further records are dropped and counted. */
const waitingLimit = 8 * 2 ** 20

/**
 * The log of a process on a file descriptor. Writes are asynchronous, so that a slow reader delays no request. pino flushes
 * pending records when the process exits, also after an uncaught exception.
 * @param level a level of pino, or `silent`
 * @param format absent: text on a terminal, JSON elsewhere
 */
export function openLog({
  level,
  format,
  fd = 2,
  env = process.env,
}: {
  readonly level: string
  readonly format?: LogFormat | undefined
  readonly fd?: number
  readonly env?: Readonly<Record<string, string | undefined>>
}): Logger {
  const output = pino.destination({ fd, sync: false, maxLength: waitingLimit })
  const isTerminal = isatty(fd)
  const asText = (format ?? (isTerminal ? 'text' : 'json')) === 'text'
  // NO_COLOR counts when it is not empty (no-color.org).
  const style = {
    colours: isTerminal && (env['NO_COLOR'] ?? '') === '',
    stacks: level === 'debug' || level === 'trace',
  }
  const write = (line: string): void => {
    output.write(asText ? recordText(JSON.parse(line) as LogRecord, style) : line)
  }
  const log = createLog(level, { write })
  let dropped = 0
  output.on('drop', () => {
    dropped += 1
  })
  output.on('drain', () => {
    if (dropped === 0) return
    const count = dropped
    dropped = 0
    log.warn({ count }, 'log records were dropped because nothing read them in time')
  })
  return log
}

/** A log of JSON lines. Only {@link loggable} fields are written, and tokens and passwords are removed from texts. */
export const createLog = (level: string, destination: DestinationStream): Logger =>
  pino({ level, serializers: { err: (error: unknown) => errorFacts(error) }, formatters: { log } }, destination)

const log = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      name === 'err' ? value : loggable.has(name) ? plain(value) : '(not logged)',
    ]),
  )

/** Numbers, booleans, texts, and lists of them. Pure. */
function plain(value: unknown): unknown {
  if (typeof value === 'string') return masked(value.slice(0, textLimit))
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return value
  if (Array.isArray(value)) return value.slice(0, 100).map(plain)
  return '(not logged)'
}
