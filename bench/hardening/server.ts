/**
 * The HTTP server of the platform twice, each over its own store: complete (`hardened`), and without token checks, rate limits,
 * audit trail and metrics (`bare`). They run no jobs. One process serves both, because the same server differed by up to a fifth
 * between two processes. Prints both addresses with a token each. Answers a message with its processor time. SIGTERM ends it.
 *
 *     node bench/hardening/server.ts FOLDER       with FOLDER/bare and FOLDER/hardened
 */
import { createAuthenticator, type Authenticator, type Caller } from '../../packages/server/src/access/authenticate.ts'
import { registryLogins } from '../../packages/server/src/access/registry-logins.ts'
import { openSeal } from '../../packages/server/src/lib/secrets/seal.ts'
import { openTokenUse } from '../../packages/server/src/access/token-use.ts'
import { newToken } from '../../packages/server/src/lib/secrets/token-text.ts'
import { createActions } from '../../packages/server/src/actions/actions.ts'
import { JobWatch } from '../../packages/server/src/actions/job-watch.ts'
import { openAuditTrail, type AuditTrail } from '../../packages/server/src/audit/trail.ts'
import { readConfig } from '../../packages/server/src/configuration/read.ts'
import { createApp, type Dependencies } from '../../packages/server/src/http/server/app.ts'
import type { RateLimits } from '../../packages/server/src/http/server/rate-limits.ts'
import { requireReference } from '../../packages/server/src/job/image-reference.ts'
import { contextOf } from '../../packages/server/src/job/resources.ts'
import { createLog } from '../../packages/server/src/lib/log.ts'
import { createMetrics, type Metrics } from '../../packages/server/src/metrics/metrics.ts'
import { gaugesOf } from '../../packages/server/src/metrics/testing/gauges-of.ts'
import { ChangeLog } from '../../packages/server/src/store/change-log.ts'
import { openSqliteStore, sealFile } from '../../packages/server/src/store/sqlite/open.ts'

const [folder = ''] = process.argv.slice(2)
const log = createLog('warn', { write: (line: string) => void process.stderr.write(line) })
const nothing = (): void => {}
const none = async (): Promise<void> => {}
const notAsked = (): never => {
  throw new Error('not used in this benchmark')
}
// Requests are counted and never refused, because the benchmark measures the counting.
const plenty = { perSecond: 1_000_000, burst: 1_000_000 }
const context = contextOf({ cores: 16, memoryGb: 64, gpus: 0 }, 5)
const empty = { cores: 0, memoryGb: 0, gpus: 0 }

/** Starts one of the servers. */
async function serve(kind: 'bare' | 'hardened') {
  const hardened = kind === 'hardened'
  const dataDir = `${folder}/${kind}`
  const counted = createMetrics(
    gaugesOf({ jobsByState: () => store.jobsByState(), estimateScores: (since) => store.estimateScores(since) }),
  )
  const store = await openSqliteStore(`${dataDir}/platform.db`, {
    onCommit: (seconds) => {
      if (hardened) counted.commit(seconds)
    },
  })
  const changes = await ChangeLog.open(store, log)
  const watch = new JobWatch(changes)
  const user = { name: 'bench', uid: 20_000, gid: 20_000, admin: false, groups: [] }
  await store.changeDirectory(({ users }) => (users.has(user.name) ? [] : [{ type: 'user', user }]))
  const { token, ...kept } = newToken()
  await store.addToken({
    ...kept,
    account: user.name,
    name: 'x',
    scopes: ['read', 'submit', 'manage'],
    createdAt: Date.now(),
  })
  const account = await store.account(user.name)
  if (account === undefined) throw new Error('the user does not exist')

  const anybody: Caller = {
    account,
    scopes: new Set(['read', 'submit', 'manage']),
    tokenId: kept.id,
    tokenPrefix: kept.prefix,
  }
  const bare: { authenticator: Authenticator; rates: RateLimits; audit: AuditTrail; metrics: Metrics } = {
    authenticator: { authenticate: async () => anybody, forget: nothing },
    rates: { admit: nothing, refuse: nothing },
    audit: { record: none, refused: nothing, fault: () => undefined, close: none },
    metrics: { ...counted, request: nothing, changes: nothing, event: nothing, commit: nothing, cycle: nothing },
  }
  const audit = hardened ? openAuditTrail(store, log, Date.now) : bare.audit
  const tokenUse = openTokenUse(store, log)
  const read = await readConfig({ file: undefined, env: {}, flags: { dataDir } })
  const config = {
    ...read,
    limits: { ...read.limits, requests: { reads: plenty, changes: plenty, unauthenticated: plenty } },
  }
  const logins = registryLogins(store, await openSeal(`${dataDir}/${sealFile}`), config.images)
  const actions = createActions({
    store,
    executor: {},
    context: () => context,
    networks: ['none'],
    checkImage: requireReference,
    logins,
    jobToken: notAsked,
    queue: { admit: () => ({ confirm: nothing, settle: nothing }) },
    now: Date.now,
  })
  const parts: Dependencies = {
    store,
    executor: {
      usage: notAsked,
      logSize: notAsked,
      readLog: notAsked,
      followLog: notAsked,
      output: notAsked,
      readOutput: notAsked,
      followOutput: notAsked,
    },
    images: { list: notAsked, describe: notAsked },
    catalogue: { registries: notAsked },
    pulls: { begin: notAsked, find: notAsked },
    changes,
    watch,
    actions,
    audit,
    metrics: hardened ? counted : bare.metrics,
    notices: () => [],
    readinessChecks: { store: none, loop: none, executor: none, audit: none, network: none },
    config,
    queue: {
      caughtUp: none,
      reason: () => undefined,
      why: notAsked,
      overview: notAsked,
      allocated: () => empty,
    },
    context: () => context,
    networks: ['none'],
    capacity: () => ({ ...empty, largest: empty }),
    checkImage: requireReference,
    logins,
    jobToken: notAsked,
    tokenUse,
    projects: { ensure: none, give: none },
    cancelJobsOfDisabled: none,
    publicUrl: () => 'http://localhost',
    now: Date.now,
    log,
  }
  const app = createApp(parts, {
    drainMs: 200,
    ...(hardened ? { authenticator: createAuthenticator(store, Date.now, tokenUse) } : bare),
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    url,
    token,
    close: async () => {
      await app.close()
      await Promise.all([audit.close(), tokenUse.close()])
      watch.close()
      await changes.close()
      await store.close()
    },
  }
}

const servers = [await serve('bare'), await serve('hardened')]
// The process measures its own processor time, because it is more precise than from outside.
process.on('message', () => process.send?.(process.cpuUsage()))
process.once('SIGTERM', () => {
  process.disconnect?.()
  void Promise.all(servers.map((server) => server.close()))
})
process.stdout.write(`${servers.map(({ url, token }) => `${url} ${token}`).join(' ')}\n`)
