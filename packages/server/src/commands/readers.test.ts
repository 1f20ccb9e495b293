import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import fc from 'fast-check'
import { isEnded, type Job, type JobPage, type JobState } from '@science-platform/contract'
import { createActions } from '../actions/actions.ts'
import { startCancellingDisabled } from '../actions/cancel-disabled.ts'
import { JobWatch } from '../actions/job-watch.ts'
import { disableUser, enableUser } from '../access/directory.ts'
import { registryLogins } from '../access/registry-logins.ts'
import { openTokenUse } from '../access/token-use.ts'
import { openAuditTrail } from '../audit/trail.ts'
import { policyOf } from '../configuration/policy/policy-of.ts'
import { exit, wait } from '../executor/simulated/behaviour.ts'
import { SimulatedCluster } from '../executor/simulated/simulated-cluster.ts'
import { createSimulatedExecutor } from '../executor/simulated/simulated.ts'
import { createApp } from '../http/server/app.ts'
import { testConfig } from '../http/testing/test-app.ts'
import { requireReference } from '../job/image-reference.ts'
import { contextOf } from '../job/resources.ts'
import { createLog } from '../lib/log.ts'
import { openSeal } from '../lib/secrets/seal.ts'
import { newToken } from '../lib/secrets/token-text.ts'
import { VirtualClock } from '../lib/virtual-clock.ts'
import { createMetrics } from '../metrics/metrics.ts'
import { gaugesOf } from '../metrics/testing/gauges-of.ts'
import { ChangeReader } from '../scheduler/change-reader.ts'
import { Loop } from '../scheduler/loop.ts'
import { Queue } from '../scheduler/queue.ts'
import { plainSpec } from '../scheduler/testing/plain-spec.ts'
import { ChangeLog } from '../store/change-log.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import type { Store } from '../store/store.ts'

const nodes = [{ name: 'here', cores: 4, memoryGb: 16, gpus: 0 }]
const names = ['ada', 'bob'] as const
const noWork = async (): Promise<void> => {}
const notAsked = (): never => {
  throw new Error('not used in this test')
}

/** A server as `serve` builds it, without containers: the loop, HTTP and all readers of the change log over one store. */
class TestServer {
  readonly store: Store
  readonly changes: ChangeLog
  readonly loop: Loop
  readonly app: FastifyInstance
  readonly cancelDisabled: ReturnType<typeof startCancellingDisabled>
  readonly #close: () => Promise<void>

  private constructor(store: Store, changes: ChangeLog, loop: Loop, app: FastifyInstance, rest: TestServerRest) {
    this.store = store
    this.changes = changes
    this.loop = loop
    this.app = app
    this.cancelDisabled = rest.cancelDisabled
    this.#close = rest.close
  }

  static async start(folder: string, clock: VirtualClock, cluster: SimulatedCluster): Promise<TestServer> {
    const store = await openSqliteStore(join(folder, 'platform.db'), { now: () => clock.now() })
    const log = createLog('error', { write: () => undefined })
    const changes = await ChangeLog.open(store, log)
    const executor = createSimulatedExecutor(cluster)
    const policy = policyOf({})
    const loop = new Loop({ store, executor, changes, policy, specOf: async (job) => plainSpec(job), log, clock })
    await loop.open()
    const watch = new JobWatch(changes)
    const cancelDisabled = startCancellingDisabled({ store, changes, log, now: () => clock.now() })
    const logins = registryLogins(store, await openSeal(join(folder, 'seal.key')), testConfig.images)
    const context = () => contextOf({ cores: 4, memoryGb: 16, gpus: 0 }, 5)
    const now = () => clock.now()
    const audit = openAuditTrail(store, log, now)
    const tokenUse = openTokenUse(store, log, now)
    const common = {
      context,
      networks: ['none'] as const,
      checkImage: requireReference,
      logins,
      jobToken: notAsked,
      now,
    }
    const app = createApp(
      {
        ...common,
        store,
        executor,
        changes,
        watch,
        actions: createActions({ ...common, store, executor, queue: { admit: (jobs) => loop.admit(jobs) } }),
        audit,
        metrics: createMetrics(gaugesOf(store)),
        notices: () => [],
        readinessChecks: { store: noWork, loop: noWork, executor: noWork, audit: noWork, network: noWork },
        images: { list: async () => [], describe: notAsked },
        catalogue: { registries: () => [] },
        config: testConfig,
        queue: {
          caughtUp: () => loop.caughtUp(),
          reason: (job) => loop.reason(job),
          why: notAsked,
          overview: notAsked,
          allocated: () => loop.queue.allocated(),
        },
        capacity: () => ({ cores: 4, memoryGb: 16, gpus: 0, largest: { cores: 4, memoryGb: 16 } }),
        tokenUse,
        projects: { ensure: noWork, give: noWork },
        cancelJobsOfDisabled: () => cancelDisabled.now(),
        publicUrl: () => 'http://localhost',
        log,
      },
      { drainMs: 100 },
    )
    await app.ready()
    return new TestServer(store, changes, loop, app, {
      cancelDisabled,
      close: async () => {
        await app.close()
        await Promise.all([cancelDisabled.close(), audit.close(), tokenUse.close()])
        await loop.close()
        watch.close()
        await changes.close()
        await executor.close()
        await store.close()
      },
    })
  }

  /** Runs all due timers, events and cycles. */
  async settle(): Promise<void> {
    for (let head = -1; head !== this.changes.head;) {
      head = this.changes.head
      await this.changes.refresh()
      await this.cancelDisabled.now()
      await this.loop.caughtUp()
      await this.loop.resting()
    }
  }

  close(): Promise<void> {
    return this.#close()
  }
}

interface TestServerRest {
  readonly cancelDisabled: ReturnType<typeof startCancellingDisabled>
  readonly close: () => Promise<void>
}

/** The moves. `other`: another process makes it, as administrative commands do. */
type Move =
  | {
      readonly type: 'submit'
      readonly owner: 'ada' | 'bob'
      readonly replicas: number
      readonly seconds: number
      readonly exitCode: number
    }
  | { readonly type: 'cancel' | 'renew' | 'remove'; readonly job: number }
  | { readonly type: 'advance'; readonly seconds: number }
  | { readonly type: 'restart' }
  | { readonly type: 'other'; readonly what: 'limit set' | 'limit clear' | 'disable' | 'enable' | 'revoke' }

const anyMove: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('submit' as const),
      owner: fc.constantFrom(...names),
      replicas: fc.integer({ min: 1, max: 3 }),
      seconds: fc.constantFrom(0, 5, 40, 90),
      exitCode: fc.integer({ min: 0, max: 1 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom('cancel' as const, 'renew' as const, 'remove' as const),
      job: fc.nat(20),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('advance' as const), seconds: fc.integer({ min: 1, max: 50 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'restart' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('other' as const),
      what: fc.constantFrom(
        'limit set' as const,
        'limit clear' as const,
        'disable' as const,
        'enable' as const,
        'revoke' as const,
      ),
    }),
  },
)

/** The contents of a queue in a comparable form. */
function knowledgeOf(queue: Queue) {
  const { jobCache } = queue
  const snapshot = queue.snapshot()
  return {
    queued: [...jobCache.queued()]
      .map(({ id, seq, deadlineAt }) => ({ id, seq, deadlineAt }))
      .toSorted((a, b) => a.seq - b.seq),
    active: [...jobCache.active()]
      .map((job) => ({ ...job, placed: jobCache.attempt(job) }))
      .toSorted((a, b) => a.seq - b.seq),
    users: [...snapshot.users].toSorted(),
    groups: [...snapshot.groups].toSorted(),
  }
}

/** A client of the feed that has read every change from the first on, over all restarts. */
class FeedReader {
  readonly states = new Map<string, JobState>()
  readonly #arrays = new Map<string, readonly string[]>()
  #cursor = 0

  /** The tasks of an array in order: a client has them from the answer to its submission. */
  knows(arrayId: string, ids: readonly string[]): void {
    this.#arrays.set(arrayId, ids)
  }

  async readOn(changes: ChangeLog): Promise<void> {
    for (;;) {
      const page = await changes.after(this.#cursor)
      if (page.upTo === this.#cursor) return
      for (const { subject, tasks, to, number } of page.changes) {
        assert.ok(number > this.#cursor, 'each once, in order')
        this.#cursor = number
        if (to === undefined) continue
        const ids = tasks === undefined ? [subject] : (this.#arrays.get(subject) ?? [])
        for (const id of ids) this.states.set(id, to)
      }
      this.#cursor = page.upTo
    }
  }
}

async function play(folder: string, moves: readonly Move[]): Promise<void> {
  const clock = new VirtualClock(1_000_000)
  const behaviours = new Map<string, { readonly seconds: number; readonly exitCode: number }>()
  const cluster = new SimulatedCluster({
    clock,
    nodes,
    behaviourOf: ({ jobId }) => {
      const { seconds = 1, exitCode = 0 } = behaviours.get(jobId) ?? {}
      return { command: [wait(seconds * 1000), exit(exitCode)] }
    },
  })
  const other = await openSqliteStore(join(folder, 'platform.db'), { now: () => clock.now() })
  await other.changeDirectory(() =>
    [...names, 'root'].map((name, i) => ({
      type: 'user',
      user: { name, uid: 3000 + i, gid: 3000 + i, admin: name === 'root', groups: [] },
    })),
  )
  const tokens = new Map<string, { id: string; token: string }>()
  const giveToken = async (account: string): Promise<void> => {
    const { token, ...kept } = newToken()
    const scopes = ['read', 'submit', 'manage'] as const
    if (await other.addToken({ ...kept, account, name: 'test', scopes, createdAt: clock.now() }))
      tokens.set(account, { id: kept.id, token })
  }
  for (const name of names) await giveToken(name)
  let server = await TestServer.start(folder, clock, cluster)
  const feed = new FeedReader()
  const owners = new Map<string, string>()
  const ask = (account: string, request: { method?: 'GET' | 'POST' | 'DELETE'; url: string; payload?: object }) =>
    server.app.inject({ ...request, headers: { authorization: `Bearer ${tokens.get(account)?.token ?? ''}` } })

  /** A job and its owner. Only running jobs can be renewed, and cancelling ended jobs proves little. */
  async function chosen({
    type,
    job,
  }: Extract<Move, { readonly job: number }>): Promise<readonly [string, string] | []> {
    const open = (await other.notEnded()).filter(({ state }) => type !== 'renew' || state === 'running')
    const from = type === 'remove' || open.length === 0 ? [...owners.keys()] : open.map(({ id }) => id)
    const id = from[job % Math.max(1, from.length)]
    return id === undefined ? [] : [id, owners.get(id) ?? 'ada']
  }

  async function move(one: Move): Promise<void> {
    const [id = '', owner = 'ada'] = 'job' in one ? await chosen(one) : []
    switch (one.type) {
      case 'submit': {
        const { owner: account, replicas, seconds, exitCode } = one
        const payload = {
          name: 'job',
          image: 'localhost/test:1',
          cmd: 'true',
          cores: 1,
          memoryGb: 1,
          timeSeconds: 60,
          replicas,
        }
        const answer = await ask(account, { method: 'POST', url: '/api/v1/jobs', payload })
        const { ids = [] } = answer.json<{ ids?: string[] }>()
        for (const each of ids) {
          owners.set(each, account)
          behaviours.set(each, { seconds, exitCode })
        }
        const arrayId = ids[0] === undefined ? undefined : (await other.job(ids[0]))?.arrayId
        if (arrayId !== undefined) feed.knows(arrayId, ids)
        return
      }
      case 'cancel':
        return void (await ask(owner, { method: 'POST', url: `/api/v1/jobs/${id}/cancel` }))
      case 'renew':
        return void (await ask(owner, { method: 'POST', url: `/skaha/v1/session/${id}?action=renew` }))
      case 'remove':
        return void (await ask(owner, { method: 'DELETE', url: `/skaha/v1/session/${id}` }))
      case 'advance': {
        const until = clock.now() + one.seconds * 1000
        for (let next = clock.next(); next !== undefined && next <= until; next = clock.next()) {
          clock.advanceTo(next)
          await server.settle()
        }
        clock.advanceTo(until)
        return server.settle()
      }
      case 'restart':
        await server.close()
        server = await TestServer.start(folder, clock, cluster)
        return
      case 'other':
        return otherProcess(one.what)
    }
  }

  /** The job cache of the loop equals that of a new server. */
  async function compareWithRebuild(): Promise<void> {
    const rebuilt = new Queue(policyOf({}), clock.now())
    rebuilt.setNodes(nodes)
    await new ChangeReader({ log: server.changes, store: server.store, queue: rebuilt }).load()
    assert.deepEqual(knowledgeOf(server.loop.queue), knowledgeOf(rebuilt))
  }

  async function otherProcess(what: Extract<Move, { type: 'other' }>['what']): Promise<void> {
    const at = clock.now()
    if (what === 'limit set')
      await other.setHolder({ kind: 'user', name: 'ada', limits: { cores: 1 }, weight: 2, setAt: at })
    if (what === 'limit clear') await other.clearHolder('user', 'ada', at)
    if (what === 'disable') await other.changeDirectory(disableUser('bob', { cancelJobs: true, now: at }))
    if (what === 'enable') {
      await other.changeDirectory(enableUser('bob'))
      await giveToken('bob')
    }
    if (what === 'revoke') {
      const revoked = tokens.get('ada')
      await other.revokeToken(revoked?.id ?? '', at)
      await server.changes.refresh()
      const answer = await ask('ada', { url: '/api/v1/account' })
      assert.equal(answer.statusCode, 401, 'a token that another process revoked')
      await giveToken('ada')
    }
  }

  try {
    for (const one of moves) {
      await move(one)
      await server.settle()
      await compareWithRebuild()
    }

    // The state of a client of the feed and the answers of the API equal the store.
    await feed.readOn(server.changes)
    const stored = new Map<string, JobState>()
    for (const id of owners.keys()) {
      const job = await other.job(id)
      assert.ok(job !== undefined, 'accepted jobs exist')
      stored.set(id, job.state)
      assert.ok(job.state !== 'running' || (job.deadlineAt ?? 0) > clock.now(), 'time limits hold')
    }
    assert.deepEqual(new Map([...feed.states].toSorted()), new Map([...stored].toSorted()))
    const bob = await other.account('bob')
    for (const name of names) {
      if (name === 'bob' && bob?.disabledAt !== undefined) continue
      const page = (await ask(name, { url: '/api/v1/jobs?limit=1000' })).json<JobPage>()
      const said = new Map(page.jobs.map(({ id, state }: Job) => [id, state]))
      const own = [...stored].filter(([id]) => owners.get(id) === name)
      assert.deepEqual(new Map([...said].toSorted()), new Map(own.toSorted()), `the answers of the API to ${name}`)
    }
    if (bob?.cancelJobs === true)
      for (const [id, state] of stored)
        assert.ok(owners.get(id) !== 'bob' || isEnded(state) || state === 'stopping', 'jobs of a disabled user end')
  } finally {
    await server.close()
    await other.close()
  }
}

const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

test('after any moves, also of another process, every reader of the change log equals a rebuild from the store', async () => {
  const folder = await mkdtemp(join(memory, 'sp-readers-'))
  let plays = 0
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(anyMove, { minLength: 1, maxLength: 25 }), async (moves) => {
        const place = join(folder, String(plays++))
        await play(place, moves)
      }),
      { numRuns: 25 },
    )
  } finally {
    await rm(folder, { recursive: true })
  }
})
