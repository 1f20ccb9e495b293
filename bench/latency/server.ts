/**
 * The platform's server as `serve` builds it, with simulated nodes in place of containers: store, loop, HTTP and the worker for
 * questions. Prints its address and two tokens, of an ordinary user and of an administrator. Each message of its parent is answered
 * with the figures since the last one. SIGTERM ends it.
 *
 *     node bench/latency/server.ts FOLDER        with FOLDER/platform.db
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { join } from 'node:path'
import { registryLogins } from '../../packages/server/src/access/registry-logins.ts'
import { openTokenUse } from '../../packages/server/src/access/token-use.ts'
import { createActions } from '../../packages/server/src/actions/actions.ts'
import { JobWatch } from '../../packages/server/src/actions/job-watch.ts'
import { openAuditTrail } from '../../packages/server/src/audit/trail.ts'
import { policyOf } from '../../packages/server/src/configuration/policy/policy-of.ts'
import { readConfig } from '../../packages/server/src/configuration/read.ts'
import { wait } from '../../packages/server/src/executor/simulated/behaviour.ts'
import { SimulatedCluster } from '../../packages/server/src/executor/simulated/simulated-cluster.ts'
import { createSimulatedExecutor } from '../../packages/server/src/executor/simulated/simulated.ts'
import { createApp } from '../../packages/server/src/http/server/app.ts'
import { requireReference } from '../../packages/server/src/job/image-reference.ts'
import { contextOf } from '../../packages/server/src/job/resources.ts'
import { machineClock } from '../../packages/server/src/lib/clock.ts'
import { createLog } from '../../packages/server/src/lib/log.ts'
import { openSeal } from '../../packages/server/src/lib/secrets/seal.ts'
import { newToken } from '../../packages/server/src/lib/secrets/token-text.ts'
import { createMetrics } from '../../packages/server/src/metrics/metrics.ts'
import { gaugesOf } from '../../packages/server/src/metrics/testing/gauges-of.ts'
import { QueueAnswers } from '../../packages/server/src/scheduler/answers/queue-answers.ts'
import { Loop } from '../../packages/server/src/scheduler/loop.ts'
import { plainSpec } from '../../packages/server/src/scheduler/testing/plain-spec.ts'
import { ChangeLog } from '../../packages/server/src/store/change-log.ts'
import { openSqliteStore, sealFile } from '../../packages/server/src/store/sqlite/open.ts'
import { administrator, nodes, ordinaryUser, runMsOf } from './queue.ts'

/** What happened in the server since it was last asked, in milliseconds. */
export interface ServerFigures {
  readonly cycles: readonly number[]
  /** Jobs with an allocation now. */
  readonly active: number
  /** How late timers were, in turns of 1 ms: includes the time that other programs had the processor. */
  readonly lateP99: number
  readonly lateMost: number
  /** The most processor time of the main thread between two timers of 1 ms: how long a request waits for others at most. */
  readonly longestTurn: number
}

const [folder = ''] = process.argv.slice(2)
const log = createLog('warn', { write: (line: string) => void process.stderr.write(line) })
const none = async (): Promise<void> => {}
const notAsked = (): never => {
  throw new Error('not used in this benchmark')
}
const plenty = { perSecond: 1_000_000, burst: 1_000_000 }

const store = await openSqliteStore(join(folder, 'platform.db'))
const changes = await ChangeLog.open(store, log)
const executor = createSimulatedExecutor(
  new SimulatedCluster({ clock: machineClock, nodes, behaviourOf: ({ id }) => ({ command: [wait(runMsOf(id))] }) }),
)
const policy = policyOf({ limits: { user: { queued: 10_000_000 }, group: {} } })
let cycles: number[] = []
const loop = new Loop({
  store,
  executor,
  changes,
  specOf: async (job) => plainSpec(job),
  policy,
  log,
  onCycle: (seconds) => {
    cycles.push(seconds * 1000)
  },
})
await loop.open()
const answers = new QueueAnswers({ loop, store, log })
const metrics = createMetrics(gaugesOf(store))
const watch = new JobWatch(changes)
const audit = openAuditTrail(store, log, Date.now)
const tokenUse = openTokenUse(store, log)
const read = await readConfig({ file: undefined, env: {}, flags: { dataDir: folder } })
const config = {
  ...read,
  policy,
  limits: { ...read.limits, requests: { reads: plenty, changes: plenty, unauthenticated: plenty } },
}
const logins = registryLogins(store, await openSeal(join(folder, sealFile)), config.images)
const context = () => contextOf({ cores: 32, memoryGb: 128, gpus: 0 }, 5)
const common = { context, networks: ['none'] as const, checkImage: requireReference, logins, jobToken: notAsked }
const actions = createActions({
  ...common,
  store,
  executor,
  queue: { admit: (jobs) => loop.admit(jobs) },
  now: Date.now,
})
const app = createApp({
  ...common,
  store,
  executor,
  actions,
  images: { list: async () => [], describe: notAsked },
  catalogue: { registries: () => [] },
  changes,
  watch,
  audit,
  metrics,
  notices: () => [],
  readinessChecks: { store: none, loop: none, executor: none, audit: none, network: none },
  config,
  queue: {
    caughtUp: () => loop.caughtUp(),
    reason: (job) => loop.reason(job),
    why: (job, caller) => answers.why(job, caller),
    overview: (account) => answers.overview(account),
    allocated: () => loop.queue.allocated(),
  },
  capacity: () => ({ cores: 32, memoryGb: 128, gpus: 0, largest: { cores: 32, memoryGb: 128 } }),
  tokenUse,
  projects: { ensure: none, give: none },
  cancelJobsOfDisabled: none,
  publicUrl: () => 'http://localhost',
  now: Date.now,
  log,
})
const url = await app.listen({ host: '127.0.0.1', port: 0 })

async function tokenOf(name: string, admin: boolean): Promise<string> {
  const user = { name, uid: admin ? 20_001 : 20_000, gid: admin ? 20_001 : 20_000, admin, groups: [] }
  await store.changeDirectory(({ users }) => (users.has(name) ? [] : [{ type: 'user', user }]))
  const { token, ...kept } = newToken()
  const scopes = ['read', 'submit', 'manage', ...(admin ? (['admin'] as const) : [])] as const
  await store.addToken({ ...kept, account: name, name: 'bench', scopes: [...scopes], createdAt: Date.now() })
  return token
}

const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
let longestTurn = 0
const processorMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
let used = processorMs()
setInterval(() => {
  const now = processorMs()
  longestTurn = Math.max(longestTurn, now - used)
  used = now
}, 1).unref()

process.on('message', () => {
  const figures: ServerFigures = {
    cycles,
    active: loop.queue.jobCache.activeCount,
    lateP99: delay.percentile(99) / 1e6,
    lateMost: delay.max / 1e6,
    longestTurn,
  }
  process.send?.(figures)
  cycles = []
  longestTurn = 0
  delay.reset()
})
process.once('SIGTERM', () => {
  if (process.connected) process.disconnect?.()
  void (async () => {
    await app.close()
    await answers.close()
    await loop.close()
    await Promise.all([audit.close(), tokenUse.close()])
    watch.close()
    await changes.close()
    await store.close()
  })()
})
process.stdout.write(`${url} ${await tokenOf(ordinaryUser, false)} ${await tokenOf(administrator, true)}\n`)
