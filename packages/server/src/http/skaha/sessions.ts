import { Readable } from 'node:stream'
import { isEnded, type SessionGlimpse, type SessionRecord } from '@science-platform/contract'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../../access/authenticate.ts'
import { attemptId, type StoredJob } from '../../job/job.ts'
import { findJob } from '../views/find-job.ts'
import { namedJobs } from '../views/named-jobs.ts'
import { workTurns } from '../../lib/work-turns.ts'
import type { JobFilter } from '../../store/store.ts'
import { auditOfChange } from '../server/audit-requests.ts'
import { callerOf } from '../server/guard.ts'
import { jobEvents } from '../views/job-events.ts'
import { usageNow } from '../views/job-view.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { registryAuth } from '../views/registry-auth.ts'
import { isVisible, statesOf, type Dialect } from './dialect.ts'
import { eventsTable } from './events-table.ts'
import type { FormFields } from './form-body.ts'
import { checkLabel } from './label.ts'
import type { Operations } from './operations.ts'
import { Parameters } from './parameters.ts'
import { sessionRecord, wireTime } from './session-record.ts'
import { sessionRequest } from './session-request.ts'
import { platformStats } from './stats.ts'
import { noSession, WireError } from './wire-error.ts'
import { plainText } from '../server/plain-text.ts'

type Session = FastifyRequest<{ Params: { id: string } }>

/** Sessions of `view=all` per query and per piece of text: about a millisecond each. */
const glimpsePage = 500

/** Jobs per query of a list. */
const pageSize = 500

/** `/session`: create, list, show, renew and delete (wire contract 1 and 2). */
export function sessionRoutes(
  app: FastifyInstance,
  parts: Dependencies,
  dialect: Dialect,
  operations: Operations,
): void {
  const { store, executor, actions } = parts

  app.post('/session', { config: { scope: 'submit' }, schema: operations.createSession }, async (request, reply) => {
    const job = sessionRequest(parametersOf(request), parts.context(), parts.checkImage)
    const outcome = await actions.submit({
      caller: callerOf(request),
      requests: job,
      ignoresReserved: true,
      registryAuth: registryAuth(request.headers['x-skaha-registry-auth']),
      audit: auditOfChange(request, 200, parts.now),
    })
    request.isAudited = outcome.outcome === 'stored'
    // The wire has no Idempotency-Key, so the outcome is never a conflict.
    const [id] = outcome.outcome === 'conflict' ? [] : outcome.ids
    if (id === undefined) throw new Error(`a submission without a key ended as ${outcome.outcome}`)
    request.subject = id
    return reply.type(plainText).send(`${id}\n`)
  })

  app.get('/session', { config: { scope: 'read' }, schema: operations.listSessions }, async (request, reply) => {
    const parameters = parametersOf(request)
    const view = parameters.first('view')
    if (view === 'stats') return sendJson(reply, platformStats(parts.queue.allocated(), parts.capacity()))
    const filter = { kind: parameters.text('type'), status: parameters.text('status') }
    if (view === 'all') return sendPages(reply, allGlimpses(filter))
    const headless = (filter.kind ?? 'headless').toLowerCase() === 'headless'
    if (!headless || view?.toLowerCase() === 'interactive') return sendJson(reply, [])
    return sendPages(reply, ownRecords(callerOf(request), filter.status))
  })

  app.delete('/session', { config: { scope: 'manage' }, schema: operations.deleteSessions }, () => {
    throw new WireError(400, 'Cannot kill all sessions. Name one: DELETE /session/ID.')
  })

  app.get(
    '/session/:id',
    { config: { scope: 'read' }, schema: operations.getSession },
    async (request: Session, reply) => {
      const caller = callerOf(request)
      const view = parametersOf(request).first('view')
      const job = await visibleJob(caller, request.params.id)
      if (job === undefined) {
        const { id } = request.params
        const named = await namedJobs(store, caller, id)
        throw noSession(id, named === undefined ? (view === 'events' ? '.' : '') : `. ${named}`)
      }
      if (view === 'events') return reply.type(plainText).send(eventsTable(await jobEvents(parts, job)))
      if (view === 'logs') return sendLog(reply, job)
      const owner = job.owner === caller.account.name ? caller.account : await store.account(job.owner)
      return sendJson(reply, sessionRecord(job, owner, dialect, await usageNow(parts, job), parts.queue.reason(job)))
    },
  )

  app.post(
    '/session/:id',
    { config: { scope: 'manage' }, schema: operations.renewSession },
    async (request: Session, reply) => {
      const caller = callerOf(request)
      const { id } = request.params
      checkLabel(id)
      const action = parametersOf(request).first('action')
      if (action === undefined) throw new WireError(400, 'Cannot modify an existing session. The one action is renew.')
      if (action.toLowerCase() !== 'renew') throw new WireError(400, 'unrecognized action. The one action is renew.')
      const job = await visibleJob(caller, id)
      if (job === undefined || !(await actions.renew(job))) {
        const named = await namedJobs(store, caller, id)
        const none = `No active job for user ${caller.account.name} with session ${id}`
        throw new WireError(400, named === undefined ? none : `${none}. ${named}`)
      }
      return reply.send('')
    },
  )

  app.delete(
    '/session/:id',
    { config: { scope: 'manage' }, schema: operations.deleteSession },
    async (request: Session, reply) => {
      const caller = callerOf(request)
      checkLabel(request.params.id)
      // Deleting a session that does not exist, or of another user, succeeds as on the reference server.
      const found = await findJob(store, caller, request.params.id)
      if (found !== undefined) await actions.remove(found, caller)
      return reply.send('')
    },
  )

  async function visibleJob(caller: Caller, id: string): Promise<StoredJob | undefined> {
    checkLabel(id)
    const job = await findJob(store, caller, id)
    return job !== undefined && isVisible(job, dialect) ? job : undefined
  }

  /** Active sessions, newest first, then recently ended ones. Each query reads one range of an index, so old jobs cost nothing. */
  async function* ownRecords(caller: Caller, status: string | undefined): AsyncGenerator<SessionRecord[]> {
    const states = statesOf(status, dialect)
    const endedSince = parts.now() - parts.config.retention.sessionsHours * 3_600_000
    const own = { owner: caller.account.name, notRemoved: true } as const
    const underWay = states.filter((state) => !isEnded(state))
    const sent = new Set<string>()
    for await (const page of pagesOf(caller, { ...own, states: underWay, sort: '-submitted' })) {
      for (const { id } of page) sent.add(id)
      yield page
    }
    // A job that ended between the two queries is not repeated.
    for await (const page of pagesOf(caller, { ...own, states: states.filter(isEnded), endedSince, sort: '-ended' }))
      yield page.filter(({ id }) => !sent.has(id))
  }

  async function* pagesOf(caller: Caller, filter: Omit<JobFilter, 'limit' | 'after'>): AsyncGenerator<SessionRecord[]> {
    if (filter.states?.length === 0) return
    for (let after: StoredJob | undefined; ;) {
      const jobs = await store.jobs({ ...filter, limit: pageSize, ...(after === undefined ? {} : { after }) })
      const usages = await Promise.all(jobs.map((job) => usageNow(parts, job)))
      yield jobs.map((job, i) => sessionRecord(job, caller.account, dialect, usages[i], parts.queue.reason(job)))
      after = jobs.at(-1)
      if (jobs.length < pageSize) return
    }
  }

  /** `view=all`: owner, state and start time of all sessions. Other requests are answered between two pages. */
  async function* allGlimpses(filter: {
    readonly kind: string | undefined
    readonly status: string | undefined
  }): AsyncGenerator<SessionGlimpse[]> {
    if ((filter.kind ?? 'headless').toLowerCase() !== 'headless') return
    const states = new Set(statesOf(filter.status, dialect))
    for (let after = -1; ;) {
      const page = await store.glimpses(after, glimpsePage)
      yield page
        .filter(({ state }) => states.has(state))
        .map(({ owner, state, startedAt }) => ({
          userid: owner,
          type: 'headless',
          status: dialect.words[state] ?? '',
          ...(startedAt === undefined ? {} : { startTime: wireTime(startedAt) }),
        }))
      const last = page.at(-1)
      if (last === undefined || page.length < glimpsePage) return
      after = last.seq
    }
  }

  async function sendLog(reply: FastifyReply, job: StoredJob): Promise<FastifyReply> {
    const attempt = attemptId(job.id, job.attempt)
    const size = job.attempt === 0 ? undefined : await executor.logSize(attempt)
    reply.type(plainText).header('x-content-type-options', 'nosniff')
    // Without a log, or after its deletion, the answer is empty as on the reference server.
    return reply.send(size === undefined || size === 0 ? '' : Readable.from(executor.readLog(attempt, { end: size })))
  }
}

/** The parameters of a request, from its address and its form. */
export function parametersOf(request: FastifyRequest): Parameters {
  const url = request.raw.url ?? ''
  const query = url.indexOf('?')
  return new Parameters(
    new URLSearchParams(query < 0 ? '' : url.slice(query + 1)),
    (request.body as FormFields | undefined) ?? [],
  )
}

/** Sends JSON indented, as the reference server does. */
export const sendJson = (reply: FastifyReply, value: unknown): FastifyReply =>
  reply.type('application/json').send(`${JSON.stringify(value, null, 2)}\n`)

/** Sends a list of any length as one JSON array, page by page. */
async function sendPages<T extends SessionRecord | SessionGlimpse>(
  reply: FastifyReply,
  pages: AsyncGenerator<T[]>,
): Promise<FastifyReply> {
  // An error before the answer begins still has its own status. Most lists fit into these first records.
  const first: T[] = []
  let isWhole = false
  while (!isWhole && first.length < pageSize) {
    const page = await pages.next()
    if (page.done === true) isWhole = true
    else first.push(...page.value)
  }
  if (isWhole) return sendJson(reply, first)
  async function* text(): AsyncGenerator<string> {
    yield `[\n${await printed(first)}`
    for await (const page of pages) if (page.length > 0) yield `,\n${await printed(page)}`
    yield '\n]\n'
  }
  return reply.type('application/json').send(Readable.from(text()))
}

/** A page as text, in turns with others' work. */
const printed = (records: readonly (SessionRecord | SessionGlimpse)[]): Promise<string> =>
  workTurns.run('large', () => records.map((record) => JSON.stringify(record, null, 2)).join(',\n'))
