import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { openAuditTrail, type AuditTrail } from '../../audit/trail.ts'
import { projectFolders } from '../../access/project-folders.ts'
import { registryLogins, type RegistryLogins } from '../../access/registry-logins.ts'
import { openSeal } from '../../lib/secrets/seal.ts'
import { openTokenUse } from '../../access/token-use.ts'
import { newToken, tokenBytes, tokenOf } from '../../lib/secrets/token-text.ts'
import type { Scope } from '../../access/scopes.ts'
import { exit, forever } from '../../executor/simulated/behaviour.ts'
import { createSimulatedExecutor, type SimulatedExecutor } from '../../executor/simulated/simulated.ts'
import { SimulatedCluster } from '../../executor/simulated/simulated-cluster.ts'
import type { RegistryCatalogue } from '../../image/catalogue/catalogue.ts'
import type { LocalImage } from '../../image/store/local-images.ts'
import { MachineImages } from '../../image/machine-images.ts'
import { createPulls } from '../../image/fetch/pulls.ts'
import { createActions } from '../../actions/actions.ts'
import { JobWatch } from '../../actions/job-watch.ts'
import { ChangeReader } from '../../scheduler/change-reader.ts'
import { ChangeLog } from '../../store/change-log.ts'
import { requireReference, type ImageReference } from '../../job/image-reference.ts'
import { InvalidRequest } from '../../job/invalid.ts'
import { attemptId, type StoredAttempt, type StoredJob } from '../../job/job.ts'
import { contextOf } from '../../job/resources.ts'
import { createLog } from '../../lib/log.ts'
import { createMetrics } from '../../metrics/metrics.ts'
import { policyOf } from '../../configuration/policy/policy-of.ts'
import { Queue } from '../../scheduler/queue.ts'
import { overviewIn, whyIn } from '../../scheduler/testing/answers.ts'
import { plainSpec } from '../../scheduler/testing/plain-spec.ts'
import { openSqliteStore } from '../../store/sqlite/open.ts'
import type { Store, StoredAccount } from '../../store/store.ts'
import { startCancellingDisabled } from '../../actions/cancel-disabled.ts'
import { VirtualClock } from '../../lib/virtual-clock.ts'
import { createApp, type Dependencies } from '../server/app.ts'
import type { DeclaredRoute } from '../server/route-table.ts'

/** A server over a real store and a simulated executor, with users and tokens. */
export interface TestApp {
  readonly app: FastifyInstance
  readonly store: Store
  /** Path of the database. */
  readonly databasePath: string
  readonly changes: ChangeLog
  readonly watch: JobWatch
  readonly audit: AuditTrail
  readonly executor: SimulatedExecutor
  /** The simulated cluster. Attempts run until a test ends them. */
  readonly cluster: SimulatedCluster
  /** Milliseconds since the epoch. Only tests advance it. */
  readonly clock: { now: number }
  readonly logins: RegistryLogins
  /** The token of a job. */
  readonly jobToken: (jobId: string) => string
  /** The declared routes of the server. */
  readonly routes: readonly DeclaredRoute[]
  /** Names of the methods of the store and the executor that were called, in order. */
  readonly calls: string[]
  /** Lines of the log, parsed. */
  readonly logged: Record<string, unknown>[]
  /** Creates a token of a user. */
  token(account: string, scopes?: readonly Scope[], change?: { expiresAt?: number }): Promise<string>
  /** Sends a request with a user's token. The request's own headers override it. */
  as(account: string, request: InjectOptions): Promise<Awaited<ReturnType<FastifyInstance['inject']>>>
  /** Submits a job over HTTP and returns its id. */
  submit(account: string, change?: Record<string, unknown>): Promise<string>
  /** Writes what the loop writes when it places a job and the command starts. */
  run(id: string): Promise<StoredJob>
  /** Writes what the loop writes when an attempt has ended. */
  finish(id: string, exitCode: number): Promise<StoredJob>
  /** Listens on a free port and returns the address. */
  listen(): Promise<string>
}

const well = async (): Promise<void> => {}

/** Tests send more requests than the default rate limits allow. */
const plenty = { perSecond: 1_000_000, burst: 1_000_000 }
const unlimited = { reads: plenty, changes: plenty, unauthenticated: plenty }

/** The configuration of a {@link TestApp}. */
export const testConfig: Dependencies['config'] = {
  // Port 1 refuses connections, so no test reaches the real registry.
  images: {
    registries: ['images.canfar.net'],
    aliases: { 'images.canfar.net': '127.0.0.1:1' },
    insecure: ['127.0.0.1:1'],
    tokenHosts: {},
    refreshMinutes: 30,
    waitSeconds: 600,
  },
  limits: { interactive: 5, logMb: 64, processes: 4096, requests: unlimited },
  policy: policyOf({
    limits: { user: { queued: 100_000 }, group: {} },
    offPeak: { days: ['mon'], from: '18:00', to: '08:00', weekends: true, timezone: 'UTC' },
  }),
  trustedProxies: [],
  retention: { logsDays: 365, jobsDays: 365, sessionsHours: 24, changesDays: 7, auditDays: 365 },
}

const accounts: readonly StoredAccount[] = [
  { name: 'ada', uid: 1001, gid: 1001, admin: false, groups: [{ name: 'survey', gid: 2001 }] },
  { name: 'bob', uid: 1002, gid: 1002, admin: false, groups: [{ name: 'optics', gid: 2002 }] },
  {
    name: 'carol',
    uid: 1003,
    gid: 1003,
    admin: false,
    groups: [
      { name: 'survey', gid: 2001 },
      { name: 'optics', gid: 2002 },
    ],
  },
  { name: 'root', uid: 1000, gid: 1000, admin: true, groups: [] },
]

const images: readonly LocalImage[] = [
  {
    reference: 'localhost/astro/source-extractor:1',
    digest: `sha256:${'a'.repeat(64)}`,
    sizeBytes: 12,
    public: true,
    types: ['headless'],
    loadedAt: 0,
  },
]

const catalogue: readonly RegistryCatalogue[] = [
  {
    registry: 'images.canfar.net',
    images: [
      {
        reference: 'images.canfar.net/skaha/astroml:1',
        digest: `sha256:${'b'.repeat(64)}`,
        types: ['notebook', 'headless'],
      },
      { reference: 'images.canfar.net/skaha/carta:1', digest: `sha256:${'c'.repeat(64)}`, types: ['carta'] },
    ],
    listedAt: 0,
  },
]

/** The same object, which records the name of each called method in `calls`. */
const recorded = <T extends object>(part: T, calls: string[]): T =>
  new Proxy(part, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key)
      if (typeof found !== 'function') return found
      return (...args: unknown[]): unknown => {
        calls.push(String(key))
        return Reflect.apply(found, target, args)
      }
    },
  })

/** Creates a {@link TestApp}, which is removed after the test or file that creates it. */
export async function testApp(
  change: Partial<Dependencies> = {},
  options: Parameters<typeof createApp>[1] = {},
): Promise<TestApp> {
  const folder = await mkdtemp(join(tmpdir(), 'sp-http-'))
  const databasePath = join(folder, 'platform.db')
  const clock = { now: Date.parse('2026-11-23T08:00:00.000Z') }
  const store = await openSqliteStore(databasePath)
  const nodes = [{ name: 'here', cores: 16, memoryGb: 64, gpus: 0 }]
  const attemptClock = new VirtualClock()
  const cluster = new SimulatedCluster({ clock: attemptClock, nodes, behaviourOf: () => ({ command: [forever] }) })
  const executor = createSimulatedExecutor(cluster)
  const queue = new Queue(testConfig.policy, clock.now)
  queue.setNodes(nodes)
  const logged: Record<string, unknown>[] = []
  const seal = await openSeal(join(folder, 'seal.key'))
  const logins = registryLogins(store, seal, testConfig.images)
  const jobToken = (jobId: string): string => tokenOf(seal.derive(`token of job ${jobId}`, tokenBytes))
  const calls: string[] = []
  const context = contextOf({ cores: 16, memoryGb: 64, gpus: 0 }, 5)
  const log = createLog('debug', {
    write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>),
  })
  const changes = await ChangeLog.open(store, log)
  const watch = new JobWatch(changes)
  const reader = new ChangeReader({ log: changes, store, queue })
  await reader.load()
  const audit = openAuditTrail(store, log, () => clock.now)
  const tokenUse = openTokenUse(store, log, () => clock.now)
  const cancelDisabled = startCancellingDisabled({ store, changes, log, now: () => clock.now })
  const local = await MachineImages.open({ folder: join(folder, 'images'), policy: testConfig.images, log })
  const pulls = createPulls(local, log)
  const checkImage = (reference: string): ImageReference => {
    if (/^(localhost|images\.canfar\.net)\/[!-~]+$/.test(reference)) return requireReference(reference)
    throw new InvalidRequest(
      'image',
      `session image '${reference}' must come from one of [images.canfar.net]`,
      'Use one of those.',
      'image-not-allowed',
    )
  }
  const recordedStore = recorded(store, calls)
  const recordedExecutor = recorded(executor, calls)
  const actions = createActions({
    store: recordedStore,
    executor: recordedExecutor,
    context: change.context ?? (() => context),
    networks: change.networks ?? ['isolated', 'none'],
    checkImage: change.checkImage ?? checkImage,
    logins,
    jobToken,
    queue: {
      admit: (requests) => {
        const { confirm, leave } = queue.admit(requests)
        return {
          confirm,
          settle: (number) => {
            if (number === undefined) leave()
            else reader.whenRead(number, leave)
          },
        }
      },
    },
    now: change.now ?? (() => clock.now),
  })
  const app = createApp(
    {
      store: recordedStore,
      executor: recordedExecutor,
      actions,
      changes,
      watch,
      audit,
      metrics: createMetrics({
        jobsByState: () => store.jobsByState(),
        auditFault: () => audit.fault() !== undefined,
        estimateScores: () => store.estimateScores(0),
        registries: () => [{ registry: 'images.canfar.net', images: 2, fault: true }],
        imageBytes: () => local.bytesUsed(),
        unrecordedAttempts: () => 0,
      }),
      notices: () => [],
      readinessChecks: { store: () => store.checkWritable(), loop: well, executor: well, audit: well, network: well },
      images: { list: async () => images, describe: (image, options) => local.describe(image, options) },
      catalogue: { registries: () => catalogue },
      pulls,
      config: testConfig,
      context: () => context,
      networks: ['isolated', 'none'],
      queue: {
        caughtUp: () => reader.syncAll(),
        reason: (job) => queue.reason(job, clock.now),
        why: async (job) => {
          await reader.syncAll()
          return whyIn(queue, job, clock.now, await store.estimateScores(0))
        },
        overview: async ({ name }) => {
          await reader.syncAll()
          return overviewIn(queue, [{ kind: 'user', name }], clock.now, await store.estimateScores(0))
        },
        allocated: () => ({ cores: 3, memoryGb: 6, gpus: 0 }),
      },
      capacity: () => ({ cores: 16, memoryGb: 64, gpus: 0, largest: { cores: 16, memoryGb: 64 } }),
      checkImage,
      logins,
      jobToken,
      tokenUse,
      projects: projectFolders(join(folder, 'arc', 'projects')),
      cancelJobsOfDisabled: () => cancelDisabled.now(),
      publicUrl: () => 'https://batch.example.org:8443',
      now: () => clock.now,
      log,
      ...change,
    },
    { drainMs: 200, ...options },
  )
  after(async () => {
    await app.close()
    await Promise.all([audit.close(), tokenUse.close(), cancelDisabled.close()])
    await pulls.close()
    watch.close()
    await changes.close()
    await store.close()
    await rm(folder, { recursive: true })
  })
  await store.changeDirectory(() => [
    ...accounts.flatMap(({ groups }) => groups.map((group) => ({ type: 'group' as const, group }))),
    ...accounts.map((user) => ({ type: 'user' as const, user })),
  ])
  await app.ready()

  const everyScope: readonly Scope[] = ['read', 'submit', 'manage', 'admin']
  const token: TestApp['token'] = async (account, scopes = everyScope, change = {}) => {
    const { token, ...kept } = newToken()
    await store.addToken({ ...kept, account, name: 'test', scopes, createdAt: clock.now, ...change })
    return token
  }
  const tokens = new Map<string, string>()
  for (const { name } of accounts) tokens.set(name, await token(name))
  const as: TestApp['as'] = (account, request) =>
    app.inject({ ...request, headers: { authorization: `Bearer ${tokens.get(account) ?? ''}`, ...request.headers } })
  const found = async (id: string): Promise<StoredJob> => {
    const job = await store.job(id)
    if (job === undefined) throw new Error(`the job ${id} does not exist`)
    return job
  }
  const attemptOf = (id: string, change: Partial<StoredAttempt> = {}): StoredAttempt => ({
    id: attemptId(id, 1),
    jobId: id,
    number: 1,
    node: 'here',
    placedAt: clock.now,
    ...change,
  })

  return {
    app,
    store,
    databasePath,
    changes,
    watch,
    audit,
    executor,
    cluster,
    clock,
    routes: app.routeTable.routes,
    calls,
    logins,
    jobToken,
    logged,
    token,
    as,
    submit: async (account, change = {}) => {
      const payload = { name: 'job', image: 'localhost/test:1', cmd: 'true', ...change }
      const answer = await as(account, { method: 'POST', url: '/api/v1/jobs', payload })
      const { ids } = answer.json<{ ids?: string[] }>()
      if (ids?.[0] === undefined) throw new Error(`the submission failed: ${answer.body}`)
      return ids[0]
    },
    run: async (id) => {
      const startedAt = clock.now
      await executor.start(plainSpec({ ...(await found(id)), attempt: 1 }))
      attemptClock.advance(0)
      const placed = {
        jobId: id,
        at: clock.now,
        from: 'queued',
        event: { type: 'placed' },
        fields: { attempt: 1 },
      } as const
      await store.step([{ ...placed, attempt: attemptOf(id) }])
      const deadlineAt = startedAt + (await found(id)).timeSeconds * 1000
      const started = { jobId: id, at: clock.now, from: 'starting', event: { type: 'started' } } as const
      await store.step([{ ...started, fields: { startedAt, deadlineAt }, attempt: attemptOf(id, { startedAt }) }])
      return found(id)
    },
    finish: async (id, exitCode) => {
      cluster.tell(attemptId(id, 1), exit(exitCode))
      const endedAt = clock.now
      const { state } = await found(id)
      const event = state === 'stopping' ? ({ type: 'cancelled' } as const) : ({ type: 'exited', exitCode } as const)
      const cause = {
        code: state === 'stopping' ? ('cancelled' as const) : ('exited' as const),
        message: `The command ended with ${exitCode}.`,
      }
      const usage = { cpuSeconds: 1.5, memoryPeakBytes: 110_000_000 }
      const outcome = { endedAt, exitCode, cause }
      await store.step([
        {
          jobId: id,
          at: clock.now,
          from: state,
          event,
          fields: outcome,
          attempt: attemptOf(id, { ...outcome, usage }),
        },
      ])
      return found(id)
    },
    listen: async () => {
      await app.listen({ host: '127.0.0.1', port: 0 })
      return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
    },
  }
}
