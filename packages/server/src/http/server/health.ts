import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'

declare module 'fastify' {
  interface FastifyInstance {
    readonly findFaults: FindFaults
  }
}

/** What must be well for the platform to work; each rejects, or takes longer than {@link patienceMs}, where it is not. */
export interface ReadinessChecks {
  /** The store can be written. */
  readonly store: () => Promise<void>
  /** The loop turns. */
  readonly loop: () => Promise<void>
  /** The executor knows what runs. */
  readonly executor: () => Promise<void>
  /** The audit trail can be written. */
  readonly audit: () => Promise<void>
}

/** What is not well, in words that give nothing away. */
const faults: Readonly<Record<keyof ReadinessChecks, string>> = {
  store: 'the store cannot be written',
  loop: 'the loop does not turn',
  executor: 'the executor does not answer',
  audit: 'the audit trail cannot be written',
}

/** How long each has to answer. */
const patienceMs = 2_000

/** How long an answer is good for: anybody may ask, and each question is a write to the disk. */
const freshMs = 1_000

/** Finds out what is not well: a line each, none where all is. Those who ask together are told the same. */
export type FindFaults = () => Promise<readonly string[]>

/** What {@link findFaults} is built from. */
export interface HealthDependencies {
  readonly readinessChecks: ReadinessChecks
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Logger
}

/** Makes {@link FindFaults}. What was found is logged with its cause, which is not for everybody. */
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

/** `/healthz`: the process answers. `/readyz`: the platform works, or what of it does not. For probes, without a token. */
export function healthRoutes(app: FastifyInstance): void {
  const open = { config: { scope: 'public' }, exposeHeadRoute: true } as const
  app.get('/healthz', open, (_request, reply) => reply.type('text/plain').send('ok\n'))
  app.get('/readyz', open, async (_request, reply) => {
    const found = await app.findFaults()
    return found.length === 0
      ? reply.type('text/plain').send('ready\n')
      : reply
          .code(503)
          .type('text/plain')
          .send(`${found.join('\n')}\n`)
  })
}
