import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { Change, ChangesQuery, jobChangeKinds, type JobChangeKind } from '@science-platform/contract'
import Type from 'typebox'
import type { Authenticator } from '../../access/authenticate.ts'
import { isAdministrator } from '../../access/may-touch.ts'
import { InvalidRequest, shown } from '../../job/invalid.ts'
import { CursorTooOld, type StoredChange } from '../../store/change.ts'
import type { ChangeLog } from '../../store/change-log.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { callerOf } from '../server/guard.ts'
import { leaving } from '../server/leaving.ts'
import { Problem } from '../server/problem.ts'
import { whileAuthenticated } from '../server/token-watch.ts'
import { instant } from '../views/job-view.ts'
import type { ApiServer } from './api-server.ts'
import { problemResponses } from './responses.ts'

/** Interval of heartbeats, because proxies close idle connections. */
const heartbeatMs = 15_000

/** Maximum of concurrent streams of one user. */
const mostStreams = 20

/** Maximum of buffered bytes of a stream. Above it the stream is closed, and the client resumes from its cursor. */
const mostWaitingBytes = 2 ** 20

/** How long a client with a full buffer may read nothing. */
const stallMs = 10_000

/** How long an ended stream waits for its client to read the rest. */
const lingerMs = 2_000

/** Which changes a stream sends. */
interface Filter {
  readonly owner: string | undefined
  readonly job: string | undefined
  readonly array: string | undefined
  readonly kinds: ReadonlySet<string>
}

/** `/changes`: changes of the caller's jobs, as server-sent events (HTML Standard, section 9.2). */
export function changeRoutes(
  app: ApiServer,
  parts: Pick<Dependencies, 'changes' | 'now'>,
  authenticator: Pick<Authenticator, 'authenticate'>,
): void {
  app.addSchema(Change)
  const { changes, now } = parts
  const streams = new Map<string, number>()
  const count = (name: string, by: 1 | -1): void => {
    const open = (streams.get(name) ?? 0) + by
    if (open === 0) streams.delete(name)
    else streams.set(name, open)
  }

  app.get(
    '/changes',
    {
      config: { scope: 'read' },
      schema: {
        operationId: 'followChanges',
        summary: 'Changes of your jobs as server-sent events',
        description:
          'The data of each event is a Change; its id is LOGID-NUMBER. To resume without loss, send the last id that you ' +
          'read as Last-Event-ID. Without Last-Event-ID the stream begins now. After 410 cursor-too-old, list the jobs ' +
          'again and begin without Last-Event-ID. A stream ends when its token ends.',
        querystring: ChangesQuery,
        headers: Type.Object({ 'Last-Event-ID': Type.Optional(Type.String({ maxLength: 64 })) }),
        response: {
          200: {
            description: 'The events, until the client disconnects',
            content: { 'text/event-stream': { schema: Type.Unsafe<unknown>(Type.String()) } },
          },
          ...problemResponses,
        },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const { all = false, job, array, kind, after } = request.query
      if (all && !isAdministrator(caller)) throw outOfReach()
      const filter = { owner: all ? undefined : caller.account.name, job, array, kinds: kindsOf(kind) }
      // An empty header counts as absent: clients that have read nothing yet may send it.
      const cursor = await startOf(changes, request.headers['last-event-id'] || after)
      const { name } = caller.account
      if ((streams.get(name) ?? 0) >= mostStreams) throw tooManyStreams(name)
      count(name, 1)
      const gone = leaving(app, reply)
      const good = whileAuthenticated(request, { authenticator, changes, now })
      const stream = new PassThrough({ highWaterMark: mostWaitingBytes })
      void send(stream, changes, filter, cursor, AbortSignal.any([gone.signal, good.signal])).finally(() => {
        gone.release()
        good.release()
        count(name, -1)
      })
      return reply
        .type('text/event-stream')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no')
        .send(stream)
    },
  )
}

/** Sends changes after a cursor until the signal, or until the client stops reading. Never rejects. */
async function send(
  stream: PassThrough,
  changes: ChangeLog,
  filter: Filter,
  start: number,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController()
  const ended = AbortSignal.any([signal, over.signal])
  const stop = (): void => {
    over.abort()
  }
  stream.once('close', stop).once('error', stop)
  let cursor = start
  const place = (): string => `id: ${changes.id}-${cursor}\n\n`
  // An id without data is no event: it only sets the Last-Event-ID of the client.
  stream.write(`retry: 1000\n${place()}`)
  const heartbeat = setInterval(() => {
    if (!stream.writableNeedDrain) stream.write(`: alive\n${place()}`)
  }, heartbeatMs)
  try {
    while (!ended.aborted) {
      const page = await changes.after(cursor, filter.owner)
      cursor = page.upTo
      const text = page.changes.filter((change) => passes(change, filter)).map((change) => eventOf(changes.id, change))
      if (text.length > 0 && !stream.write(text.join(''))) await drained(stream, ended)
      if (cursor === changes.head) await changes.next(ended)
    }
  } catch {
    // The cursor is too old, or the store cannot be read. The client resumes, and that answer has the reason.
  } finally {
    clearInterval(heartbeat)
    stream.end()
    // A client that reads nothing more gets the rest when it resumes.
    if (stream.writableLength > 0) setTimeout(() => stream.destroy(), lingerMs).unref()
  }
}

/** Resolves when the buffer is empty, or at the signal. @throws when the client reads nothing for {@link stallMs}. */
async function drained(stream: PassThrough, signal: AbortSignal): Promise<void> {
  const given = AbortSignal.any([signal, AbortSignal.timeout(stallMs)])
  await once(stream, 'drain', { signal: given }).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}

const eventOf = (logId: string, change: StoredChange): string =>
  `id: ${logId}-${change.number}\nevent: change\ndata: ${JSON.stringify(viewChange(change))}\n\n`

/** Whether a stream sends a change. Pure. */
function passes({ kind, owner, subject, arrayId }: StoredChange, filter: Filter): boolean {
  if (owner === undefined || !filter.kinds.has(kind)) return false
  if (filter.owner !== undefined && filter.owner !== owner) return false
  if (filter.job !== undefined && filter.job !== subject) return false
  return filter.array === undefined || filter.array === arrayId
}

/** A change in the API. Pure. */
function viewChange({ number, at, kind, owner, subject, arrayId, tasks, causeCode, ...rest }: StoredChange): Change {
  return {
    number,
    at: instant(at),
    kind: kind as JobChangeKind,
    owner: owner ?? '',
    ...(tasks === undefined ? { job: subject } : { tasks }),
    ...(arrayId === undefined ? {} : { array: arrayId }),
    ...rest,
    ...(causeCode === undefined ? {} : { cause: causeCode }),
  }
}

const allKinds: ReadonlySet<string> = new Set(jobChangeKinds)

/** @throws {InvalidRequest} naming the unknown kind. */
function kindsOf(text: string | undefined): ReadonlySet<string> {
  if (text === undefined) return allKinds
  const words = text.split(',').map((word) => word.trim())
  const wrong = words.find((word) => !allKinds.has(word))
  if (wrong === undefined) return new Set(words)
  throw new InvalidRequest(
    'kind',
    `kind names ${shown(wrong)}, which is not a kind of change`,
    `The kinds are: ${jobChangeKinds.join(', ')}.`,
  )
}

/** The cursor of a stream: the last event that the client read, else now. @throws {Problem} {@link InvalidRequest} */
async function startOf(changes: ChangeLog, lastEventId: string | undefined): Promise<number> {
  await changes.refresh()
  if (lastEventId === undefined || lastEventId === '') return changes.head
  const [, log, digits = ''] = /^([0-9a-f]{1,32})-([0-9]{1,16})$/.exec(lastEventId) ?? []
  if (log === undefined)
    throw new InvalidRequest(
      'Last-Event-ID',
      `Last-Event-ID is ${shown(lastEventId)}, which is not the id of an event`,
      'Send the id of the last event unchanged, or leave the header out to begin now.',
    )
  const number = Number(digits)
  if (log !== changes.id || number > changes.head) throw tooOld(lastEventId)
  await changes.after(number).catch((error: unknown) => {
    throw error instanceof CursorTooOld ? tooOld(lastEventId) : error
  })
  return number
}

const tooOld = (lastEventId: string): Problem =>
  new Problem('cursor-too-old', `The change log no longer has the changes after ${lastEventId}.`, {
    hint: 'List your jobs again with GET /api/v1/jobs, then follow without Last-Event-ID.',
    field: 'Last-Event-ID',
  })

const outOfReach = (): Problem =>
  new Problem('forbidden', 'The token lacks the scope admin, which the changes of all users require.', {
    hint: 'Leave all out for your own jobs, or use a token with --scope admin.',
    headers: { 'www-authenticate': 'Bearer realm="science-platform", error="insufficient_scope", scope="admin"' },
  })

const tooManyStreams = (name: string): Problem =>
  new Problem('too-many-requests', `${name} has ${mostStreams} open streams of changes, the maximum.`, {
    hint: 'Close a stream, or follow all jobs in one stream.',
    headers: { 'retry-after': '10' },
  })
