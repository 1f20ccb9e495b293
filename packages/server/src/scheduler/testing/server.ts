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

/** What a {@link Server} is made of. */
export interface ServerParts {
  /** Where its database is, or will be. */
  readonly folder: string
  readonly clock: Clock
  readonly cluster: SimulatedCluster
  readonly policy: PartialPolicy
  /** It hears of no change in the cluster: it only finds out by looking. @defaultValue false */
  readonly deaf?: boolean
}

/** Loop and store as one process has them, on a simulated cluster and a virtual clock. The next one finds what it leaves. */
export class Server {
  readonly faultInjector: FaultInjector
  /** The store as the process has it. */
  readonly store: Store
  /** The same, whether the process lives or not. */
  readonly kept: Store
  readonly loop: Loop
  /** What went wrong, but for calls that were made to fail. */
  readonly errors: string[] = []
  readonly #close: () => Promise<void>

  private constructor(kept: Store, changes: ChangeLog, faults: FaultInjector, parts: ServerParts) {
    const { clock, cluster, policy, deaf = false } = parts
    const executor = createSimulatedExecutor(cluster)
    this.faultInjector = faults
    const own: Executor = faults.of(executor)
    this.kept = kept
    this.store = faults.of(kept)
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
      await kept.close()
    }
  }

  /** Begins a process. It may have ended when this returns: killed early, or because a call failed that it cannot do without. */
  static async begin(parts: ServerParts, prepare: (faultInjector: FaultInjector) => void = () => {}): Promise<Server> {
    const kept = await openSqliteStore(join(parts.folder, 'db'))
    const faults = new FaultInjector()
    const changes = await ChangeLog.open(faults.of(kept), pino({ level: 'silent' }))
    const server = new Server(kept, changes, faults, parts)
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

  /** Nothing of the process is left; what it was preparing is lost. */
  end(): Promise<void> {
    return this.#close()
  }
}
