/**
 * The platform's HTTP server over a store of its own, as it is (`hardened`) or without token checks, limits, audit trail and
 * metrics (`bare`): what the benchmark compares. It runs no jobs. Prints its address and a token; SIGTERM ends it.
 *
 *     node bench/hardening/server.ts FOLDER hardened|bare
 */
import { createAuthenticator, type Authenticator, type Caller } from '../../packages/server/src/access/authenticate.ts'
import { registryLogins } from '../../packages/server/src/access/registry-logins.ts'
import { openSeal } from '../../packages/server/src/access/seal.ts'
import { openTokenUse } from '../../packages/server/src/access/token-use.ts'
import { newToken } from '../../packages/server/src/access/tokens.ts'
import { openAuditTrail, type AuditTrail } from '../../packages/server/src/audit/trail.ts'
import { readConfig } from '../../packages/server/src/configuration/read.ts'
import { createApp, type HttpParts } from '../../packages/server/src/http/app.ts'
import type { RateLimits } from '../../packages/server/src/http/rate-limits.ts'
import { JobChanges } from '../../packages/server/src/job/changes.ts'
import { contextOf } from '../../packages/server/src/job/resources.ts'
import { createLog } from '../../packages/server/src/log.ts'
import { createMetrics, type Metrics } from '../../packages/server/src/metrics/metrics.ts'
import { announcing } from '../../packages/server/src/store/announcing.ts'
import { openSqliteStore, sealFile } from '../../packages/server/src/store/sqlite/open.ts'

const [folder = '', kind = ''] = process.argv.slice(2)
if (kind !== 'hardened' && kind !== 'bare') throw new Error('which is it: hardened or bare?')
const hardened = kind === 'hardened'

const changes = new JobChanges()
const log = createLog('warn', { write: (line: string) => void process.stderr.write(line) })
const counted = createMetrics({
  jobsByState: () => store.jobsByState(),
  auditFault: () => false,
  estimateScores: () => store.estimateScores(0),
  registries: () => [],
  imageBytes: async () => 0,
})
const store = announcing(
  await openSqliteStore(`${folder}/platform.db`, {
    onCommit: (seconds) => {
      if (hardened) counted.commit(seconds)
    },
  }),
  changes,
)
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
if (account === undefined) throw new Error('the user is not there')

const nothing = (): void => {}
const none = async (): Promise<void> => {}
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
  metrics: { ...counted, request: nothing, jobs: nothing, event: nothing, commit: nothing, cycle: nothing },
}
const audit = hardened ? openAuditTrail(store, log, Date.now) : bare.audit
const tokenUse = openTokenUse(store, log)
// Counted as ever, and never one too many: what is measured is the counting.
const plenty = { perSecond: 1_000_000, burst: 1_000_000 }
const read = await readConfig({ file: undefined, env: {}, flags: { dataDir: folder } })
const config = {
  ...read,
  limits: { ...read.limits, requests: { reads: plenty, changes: plenty, unauthenticated: plenty } },
}
const context = contextOf({ cores: 16, memoryGb: 64, gpus: 0 }, 5)
const empty = { cores: 0, memoryGb: 0, gpus: 0 }
const notAsked = (): never => {
  throw new Error('nobody asks for this here')
}

const parts: HttpParts = {
  store,
  executor: { usage: notAsked, logSize: notAsked, readLog: notAsked, followLog: notAsked },
  images: { list: notAsked, describe: notAsked },
  catalogue: { registries: notAsked },
  pulls: { begin: notAsked, find: notAsked },
  changes,
  audit,
  metrics: hardened ? counted : bare.metrics,
  vitals: { store: none, loop: none, executor: none, audit: none },
  config,
  queue: {
    admit: () => nothing,
    reason: () => undefined,
    why: notAsked,
    overview: notAsked,
    allocated: () => empty,
    learnHolders: none,
  },
  context: () => context,
  networks: ['none'],
  capacity: () => ({ ...empty, largest: empty }),
  checkImage: (reference) => reference,
  logins: registryLogins(store, await openSeal(`${folder}/${sealFile}`), config.images),
  jobToken: notAsked,
  tokenUse,
  projects: { ensure: none, give: none },
  cancelJobsOfDisabled: none,
  wake: nothing,
  publicUrl: () => 'http://localhost',
  now: Date.now,
  log,
}
const app = createApp(parts, {
  drainMs: 200,
  ...(hardened ? { authenticator: createAuthenticator(store, Date.now, tokenUse) } : bare),
})
const url = await app.listen({ host: '127.0.0.1', port: 0 })
process.once('SIGTERM', () => {
  void (async () => {
    await app.close()
    await Promise.all([audit.close(), tokenUse.close()])
    await store.close()
  })()
})
process.stdout.write(`${url} ${token}\n`)
