import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { plainText } from './plain-text.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readonly findFaults: FindFaults
  }
}

/** Readiness checks of the platform. A check fails when it rejects or takes longer than {@link patienceMs}. */
export interface ReadinessChecks {
  /** The store can be written. */
  readonly store: () => Promise<void>
  /** The scheduler loop completes cycles. */
  readonly loop: () => Promise<void>
  /** The executor has a current view of running attempts. */
  readonly executor: () => Promise<void>
  /** The audit trail can be written. */
  readonly audit: () => Promise<void>
  /** The network of jobs isolates them. */
  readonly network: () => Promise<void>
}

/** Messages for failed checks. They contain no internal details. */
const faults: Readonly<Record<keyof ReadinessChecks, string>> = {
  store: 'the store cannot be written',
  loop: 'the scheduler loop is stalled',
  executor: 'the executor does not answer',
  audit: 'the audit trail cannot be written',
  network: 'the rules that isolate the network of jobs are not in place; jobs wait until they are',
}

/** Milliseconds that a check may take. */
const patienceMs = 2_000

/** Milliseconds for which a result is reused: the endpoint is public, and each check writes to the disk. */
const freshMs = 1_000

/** Runs the readiness checks: one line per failed check, empty when all pass. Concurrent calls share one result. */
export type FindFaults = () => Promise<readonly string[]>

/** A line for `/readyz` for each thing that an operator must decide, and that keeps the platform from nothing. */
export type Notices = () => readonly string[]

/** Dependencies of {@link findFaults}. */
export interface HealthDependencies {
  readonly readinessChecks: ReadinessChecks
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Logger
}

/** Makes {@link FindFaults}. Failures are logged with their cause, which is not published. */
export function findFaults({ readinessChecks, now, log }: HealthDependencies): FindFaults {
  const names = Object.keys(faults) as (keyof ReadinessChecks)[]
  let found: Promise<readonly string[]> | undefined
  let until = 0

  async function look(): Promise<readonly string[]> {
    const outcomes = await Promise.all(
      names.map(async (name) => {
        try {
          await withinPatience(readinessChecks[name]())
          return []
        } catch (error) {
          log.error({ err: error }, faults[name])
          return [faults[name]]
        }
      }),
    )
    return outcomes.flat()
  }

  return () => {
    if (found === undefined || now() >= until) {
      until = now() + freshMs
      found = look()
    }
    return found
  }
}

async function withinPatience(work: Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    reject(new Error(`no answer within ${patienceMs} ms`))
  }, patienceMs)
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * `/healthz`: the process responds. `/readyz`: the platform works, with its notices; or the failed checks. For probes, without a
 * token.
 */
export function healthRoutes(app: FastifyInstance, notices: Notices): void {
  const open = { config: { scope: 'public' }, exposeHeadRoute: true } as const
  app.get('/healthz', open, (_request, reply) => reply.type(plainText).send('ok\n'))
  app.get('/readyz', open, async (_request, reply) => {
    const found = await app.findFaults()
    return found.length === 0
      ? reply.type(plainText).send(`${['ready', ...notices()].join('\n')}\n`)
      : reply
          .code(503)
          .type(plainText)
          .send(`${found.join('\n')}\n`)
  })
}
