import { join } from 'node:path'
import { pino } from 'pino'
import type { Executor } from '../../executor/executor.ts'
import { createSimulatedExecutor } from '../../executor/simulated/simulated.ts'
import type { SimulatedCluster } from '../../executor/simulated/simulated-cluster.ts'
import { ChangeLog } from '../../store/change-log.ts'
import { openSqliteStore } from '../../store/sqlite/open.ts'
import type { Store } from '../../store/store.ts'
import type { Clock } from '../../lib/clock.ts'
import { Loop } from '../loop.ts'
import { policyOf, type PartialPolicy } from '../../configuration/policy/policy-of.ts'
import { CallFailed, FaultInjector } from './fault-injector.ts'
import { plainSpec } from './plain-spec.ts'

/** What a {@link Server} is built from. */
export interface ServerParts {
  /** The folder of its database. */
  readonly folder: string
  readonly clock: Clock
  readonly cluster: SimulatedCluster
  readonly policy: PartialPolicy
  /** It receives no notification of changes: it finds them in its list. @defaultValue false */
  readonly deaf?: boolean
}

/** The loop and the store of one process, on a simulated cluster and a virtual clock. The next process finds what it leaves. */
export class Server {
  readonly faultInjector: FaultInjector
  /** The store as the process calls it. */
  readonly store: Store
  /** The same store without faults. */
  readonly database: Store
  readonly loop: Loop
  /** Errors that no injected fault explains. */
  readonly errors: string[] = []
  readonly #close: () => Promise<void>

  private constructor(database: Store, changes: ChangeLog, faults: FaultInjector, parts: ServerParts) {
    const { clock, cluster, policy, deaf = false } = parts
    const executor = createSimulatedExecutor(cluster)
    this.faultInjector = faults
    const own: Executor = faults.of(executor)
    this.database = database
    this.store = faults.of(database)
    this.loop = new Loop({
      store: this.store,
      executor: deaf ? Object.assign(own, { onChange: () => {} }) : own,
      changes,
      policy: policyOf(policy),
      specOf: async (job) => plainSpec(job),
      log: pino({ level: 'error' }, { write: (line: string) => this.#note(line) }),
      clock,
    })
    this.#close = async () => {
      await this.loop.close()
      await changes.close()
      await executor.close()
      await database.close()
    }
  }

  /** Starts a process. It may have ended when this returns: killed early, or by a failed call without which it cannot start. */
  static async begin(parts: ServerParts, prepare: (faultInjector: FaultInjector) => void = () => {}): Promise<Server> {
    const database = await openSqliteStore(join(parts.folder, 'db'))
    const faults = new FaultInjector()
    const changes = await ChangeLog.open(faults.of(database), pino({ level: 'silent' }))
    const server = new Server(database, changes, faults, parts)
    prepare(server.faultInjector)
    await server.loop.open().catch((error: unknown) => {
      if (!(error instanceof CallFailed)) throw error
      server.faultInjector.end()
    })
    return server
  }

  #note(line: string): void {
    const { err, msg } = JSON.parse(line) as {
      readonly err?: { readonly type: string; readonly stack: string }
      readonly msg: string
    }
    if (err?.type !== CallFailed.name) this.errors.push(err?.stack ?? msg)
  }

  /** Ends the process with all that it was preparing. */
  end(): Promise<void> {
    return this.#close()
  }
}
