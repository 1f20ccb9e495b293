import { realpath } from 'node:fs/promises'
import { createServer } from 'node:http'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Option, type Command } from 'commander'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { ensureProjects, projectFolders } from '../access/project-folders.ts'
import { registryLogins } from '../access/registry-logins.ts'
import { openSeal } from '../lib/secrets/seal.ts'
import { openTokenUse } from '../access/token-use.ts'
import { tokenBytes, tokenOf } from '../lib/secrets/token-text.ts'
import { openAuditTrail } from '../audit/trail.ts'
import { makeFolders } from '../lib/files.ts'
import { freePort } from '../lib/free-port.ts'
import { createApp } from '../http/server/app.ts'
import { adopt, unrecordedAmong } from '../actions/adopt.ts'
import { createActions } from '../actions/actions.ts'
import { startCancellingDisabled } from '../actions/cancel-disabled.ts'
import { JobWatch } from '../actions/job-watch.ts'
import { refuseMalformed } from '../http/server/client-error.ts'
import { arrivalCheckMs, arrivalMs, headArrivalMs, readHeadLimit } from '../http/server/request-limits.ts'
import { openCatalogue } from '../image/catalogue/catalogue.ts'
import { MachineImages } from '../image/machine-images.ts'
import { createPulls } from '../image/fetch/pulls.ts'
import { requireAllowed } from '../image/access/require-allowed.ts'
import { storeLimit } from '../image/store/store-limit.ts'
import { fileSystemOf, isRemote } from '../lib/file-system.ts'
import { openLog, type LogFormat } from '../lib/log.ts'
import type { ImageReference } from '../job/image-reference.ts'
import { offeredCapacity } from '../job/offered-capacity.ts'
import { contextOf, type Capacity } from '../job/resources.ts'
import { startRetention } from '../actions/retention.ts'
import { createMetrics } from '../metrics/metrics.ts'
import { QueueAnswers, scoredMs } from '../scheduler/answers/queue-answers.ts'
import { Loop } from '../scheduler/loop.ts'
import { ChangeLog } from '../store/change-log.ts'
import { openSqliteStore, sealFile } from '../store/sqlite/open.ts'
import type { Store } from '../store/store.ts'
import { attemptSpec } from '../actions/attempt-spec.ts'
import { InvalidConfiguration } from '../configuration/invalid-configuration.ts'
import { answerWhileStarting } from './answer-while-starting.ts'
import { Heartbeat } from './heartbeat.ts'
import { claimDataDir, claimIdentity, instanceName } from './instance.ts'
import { listenForScrapes } from './listen-for-scrapes.ts'
import { listen } from './listen.ts'
import { located } from './located.ts'
import { configAt, databasePath, type Location } from './open-store.ts'
import { createRuntime, type Runtime } from './runtime.ts'

/** Defines `serve`. */
export function define(command: Command): void {
  located(command)
    .option(
      '--listen <host:port>',
      'address to listen on, such as 0.0.0.0:8080; port 0: a free one (default: 127.0.0.1:8080)',
    )
    .addOption(
      new Option('--log-format <format>', 'format of the log (default: text on a terminal, json elsewhere)').choices([
        'text',
        'json',
      ]),
    )
    .addHelpText(
      'after',
      [
        '',
        'LOG_LEVEL sets how much is logged: error, warn, info (default), debug or trace.',
        '',
        'Examples:',
        '  science-platform serve --data /var/lib/science-platform',
        '  science-platform serve --config /etc/science-platform.yaml --log-format json',
      ].join('\n'),
    )
    .action(serve)
}

/**
 * `serve`: creates all parts of the server in order. They are closed in reverse order, on SIGTERM or when a later part
 * cannot be created. Jobs continue to run.
 */
async function serve(options: Location & { readonly listen?: string; readonly logFormat?: LogFormat }): Promise<void> {
  const config = await configAt(options)
  const log = openLog({ level: logLevel(process.env.LOG_LEVEL), format: config.log.format })
  // Node prints the exception and exits with 1 afterwards.
  process.on('uncaughtExceptionMonitor', (error) => {
    log.fatal({ err: error }, 'uncaught exception, server exits')
  })
  const asked = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      asked.abort(signal)
    })

  for (const key of config.unusedKeys)
    log.warn({ hint: 'remove it' }, `the configuration has ${key}, which has no effect any more`)
  await using parts = new AsyncDisposableStack()
  await makeFolders(config.dataDir)
  const dataDir = await realpath(config.dataDir)
  parts.defer(await claimDataDir(dataDir))
  const fileSystem = await fileSystemOf(dataDir)
  if (isRemote(fileSystem))
    log.warn(
      { folder: dataDir, fileSystem, hint: 'use a local disk or block storage for --data' },
      'the data directory is on a network file system: the database needs working locks and fsync',
    )
  const instance = instanceName(dataDir)
  const { host } = config.listen
  const port = config.listen.port === 0 ? await freePort(host) : config.listen.port
  const address = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  const publicUrl = config.publicUrl ?? (isAnyAddress(host) ? `http://${hostname()}:${port}` : address)

  const metrics = createMetrics({
    jobsByState: () => store.jobsByState(),
    auditFault: () => audit.fault() !== undefined,
    estimateScores: () => store.estimateScores(Date.now() - scoredMs),
    registries: () =>
      catalogue.registries().map(({ registry, images, fault }) => ({
        registry,
        images: images.length,
        fault: fault !== undefined,
      })),
    imageBytes: () => images.bytesUsed(),
    unrecordedAttempts: () => loop.unrecorded().length,
  })
  const store = await openSqliteStore(databasePath(dataDir), {
    onCommit: (seconds) => {
      metrics.commit(seconds)
    },
  })
  parts.defer(() => store.close())
  parts.defer(await claimIdentity(store.identity, dataDir))
  const changes = await ChangeLog.open(store, log)
  parts.defer(() => changes.close())
  parts.defer(
    changes.follow((page) => {
      metrics.changes(page)
    }),
  )
  const audit = openAuditTrail(store, log, Date.now)
  parts.defer(() => audit.close())
  const projects = projectFolders(join(dataDir, 'arc', 'projects'))
  await ensureProjects(projects, await store.directory(), (project, error) => {
    log.warn({ project, err: error }, 'a project directory could not be repaired: its members may not share new files')
  })
  const seal = await openSeal(join(dataDir, sealFile))
  const logins = registryLogins(store, seal, config.images)
  const jobToken = (jobId: string): string => tokenOf(seal.derive(`token of job ${jobId}`, tokenBytes))
  const tokenUse = openTokenUse(store, log)
  parts.defer(() => tokenUse.close())
  const imagesFolder = join(dataDir, 'images')
  const images = await MachineImages.open({
    folder: imagesFolder,
    policy: config.images,
    log,
    limitBytes: await storeLimit(dataDir, config.images.storeGb),
    ofJobs: () => store.imagesInUse(),
  })
  const { refreshMinutes } = config.images
  const file = join(imagesFolder, 'catalogue.json')
  const catalogue = await openCatalogue({ file, policy: config.images, refreshMinutes, log })
  parts.defer(() => catalogue.close())
  // With other executors the nodes fetch images themselves.
  const pulls = config.executor === 'oci' ? createPulls(images, log) : undefined
  parts.defer(() => pulls?.close())

  const defaultNetwork = config.network.default
  const runtime = await createRuntime({
    config,
    dataDir,
    instance,
    port,
    images,
    parts,
    ownership: {
      identity: store.identity,
      recorded: async (ids) => new Set((await store.recordedAttempts(ids)).keys()),
    },
    onReplaced: (message) => {
      log.fatal(message)
      process.exitCode = 1
      asked.abort('replaced')
    },
    log,
  })
  const { executor, gateway } = runtime
  parts.defer(() => executor.close())

  /** An isolated job reaches the server only on the bridge, a job on the host network also on loopback, a pod at the public URL. */
  const platformUrl: Parameters<typeof attemptSpec>[1]['platformUrl'] = (asked) => {
    if (config.executor !== 'oci') return publicUrl
    if (asked !== 'host' && gateway !== undefined) return `http://${gateway}:${port}`
    return isAnyAddress(host) ? `http://127.0.0.1:${port}` : address
  }
  const specOf = (job: Parameters<typeof attemptSpec>[0]) =>
    attemptSpec(job, {
      store,
      logins,
      jobToken,
      platformUrl,
      policy: config.policy,
      identity: store.identity,
      ...(defaultNetwork === undefined ? {} : { defaultNetwork }),
    })
  executor.onEvent((event) => {
    metrics.event(event)
  })
  const heart = new Heartbeat()
  const loop = new Loop({
    store,
    executor,
    changes,
    specOf,
    policy: config.policy,
    log,
    waitSeconds: config.executor === 'oci' ? config.images.waitSeconds : config.kubernetes.imageSeconds,
    onCycle: (seconds, outcome) => {
      metrics.cycle(seconds, outcome)
      if (outcome === 'done') heart.beat()
    },
  })
  const stopAnswering = config.executor === 'kubernetes' ? await answerWhileStarting({ host, port }) : undefined
  parts.defer(() => stopAnswering?.())
  if (!(await openUnlessStopped(loop, asked.signal))) return
  parts.defer(() => loop.close())
  await adoptSinceRestore(store, runtime.evidence, log)
  const answers = new QueueAnswers({ loop, store, log })
  parts.defer(() => answers.close())
  parts.defer(startRetention(store, executor, config.retention, log))

  const cancelDisabled = startCancellingDisabled({ store, changes, log })
  parts.defer(() => cancelDisabled.close())

  let largest: Capacity | undefined
  const capacity = () => {
    const offered = offeredCapacity(loop.nodes(), largest)
    largest = offered.largest
    return offered
  }
  const context = () => contextOf(capacity().largest, config.limits.interactive)
  const checkImage = (reference: string): ImageReference => requireAllowed(reference, config.images)
  const watch = new JobWatch(changes)
  parts.defer(() => {
    watch.close()
  })
  const actions = createActions({
    store,
    executor,
    context,
    networks: runtime.networks,
    checkImage,
    logins,
    jobToken,
    queue: { admit: (requests) => loop.admit(requests) },
    now: Date.now,
  })
  const app = createApp({
    store,
    executor,
    images,
    catalogue,
    ...(pulls === undefined ? {} : { pulls }),
    changes,
    watch,
    actions,
    audit,
    metrics,
    readinessChecks: {
      store: () => store.checkWritable(),
      loop: async () => {
        heart.check()
      },
      executor: async () => {
        await executor.list()
      },
      audit: async () => {
        if (audit.fault() !== undefined) throw new Error(audit.fault())
      },
      network: async () => {
        const fault = runtime.networkFault()
        if (fault !== undefined) throw new Error(fault)
      },
    },
    notices: () => unrecordedNotice(loop.unrecorded().length),
    config,
    context,
    networks: runtime.networks,
    queue: {
      caughtUp: (jobs) => loop.caughtUp(jobs),
      reason: (job) => loop.reason(job),
      why: (job, caller) => answers.why(job, caller),
      overview: (account) => answers.overview(account),
      allocated: () => loop.queue.allocated(),
    },
    capacity,
    checkImage,
    logins,
    jobToken,
    tokenUse,
    projects,
    cancelJobsOfDisabled: () => cancelDisabled.now(),
    publicUrl: () => publicUrl,
    now: Date.now,
    log,
  })
  await app.ready()
  // What the start left: 10 MB, which V8 keeps as long as the server is idle. Before anybody waits for an answer.
  globalThis.gc?.({ type: 'major', flavor: 'last-resort', execution: 'sync' })
  await stopAnswering?.()
  await app.listen({ host, port })
  parts.defer(() => app.close())
  if (gateway !== undefined && !isAnyAddress(host)) parts.defer(await listenForJobs(app, gateway, port))

  if (config.metrics.listen !== undefined) parts.defer(await listenForScrapes(metrics, config.metrics.listen))

  for (const limit of runtime.unenforced()) log.warn({ hint: limit }, 'limit not enforced on this machine')
  process.stdout.write(`listening on ${address}\n`)
  if (!asked.signal.aborted) {
    await new Promise<void>((resolve) => {
      asked.signal.addEventListener(
        'abort',
        () => {
          resolve()
        },
        { once: true },
      )
    })
  }
  log.info({ signal: String(asked.signal.reason) }, 'stopping; jobs continue to run')
}

/** The log level. @throws {InvalidConfiguration} for an unknown level. */
function logLevel(text: string | undefined): string {
  const levels = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace']
  if (text === undefined || text === '') return 'info'
  if (levels.includes(text)) return text
  throw new InvalidConfiguration(`LOG_LEVEL is ${JSON.stringify(text)}; use one of ${levels.join(', ')}`)
}

/** Opens the loop and its executor. False where the server was told to stop meanwhile: a cluster may not answer for hours. */
async function openUnlessStopped(loop: Loop, signal: AbortSignal): Promise<boolean> {
  const stopped = new Promise<false>((resolve) => {
    if (signal.aborted) resolve(false)
    signal.addEventListener('abort', () => {
      resolve(false)
    })
  })
  const opened = loop.open().then(() => true as const)
  // After a stop, the executor rejects what it still waits for.
  opened.catch(() => undefined)
  return Promise.race([opened, stopped])
}

/** Adopts the attempts that this database started after the backup from which it was restored. Others stay as they are. */
async function adoptSinceRestore(store: Store, evidence: Runtime['evidence'], log: Logger): Promise<void> {
  if ((await store.restoredAt()) === undefined) return
  for (const { evidence: one, obstacle } of await unrecordedAmong(store, await evidence())) {
    if (one.identity !== store.identity) continue
    if (obstacle === undefined) await adopt(store, one, Date.now())
    const attemptId = one.id
    if (obstacle === undefined) log.info({ attemptId }, 'adopted an attempt that started after the backup')
    else log.warn({ attemptId, reason: obstacle }, 'an attempt that started after the backup could not be adopted')
  }
  await store.noteAdopted()
}

/** What `/readyz` says of attempts without a record. Pure. */
const unrecordedNotice = (count: number): string[] =>
  count === 0
    ? []
    : [`${count} attempts have no record in the database and are left alone; science-platform adopt lists them`]

const isAnyAddress = (host: string): boolean => host === '0.0.0.0' || host === '::'

/** Answers the same API on the address of the bridge, because isolated jobs cannot reach the loopback of the machine. */
async function listenForJobs(app: FastifyInstance, gateway: string, port: number): Promise<() => Promise<void>> {
  const server = createServer(
    {
      maxHeaderSize: readHeadLimit,
      requestTimeout: arrivalMs,
      headersTimeout: headArrivalMs,
      connectionsCheckingInterval: arrivalCheckMs(arrivalMs),
    },
    (request, response) => {
      app.routing(request, response)
    },
  )
  server.on('clientError', refuseMalformed)
  return listen(server, { host: gateway, port })
}
