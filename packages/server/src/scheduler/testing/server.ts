import { join } from 'node:path'
import { pino } from 'pino'
import type { Executor } from '../../executor/executor.ts'
import { createSimulatedExecutor } from '../../executor/simulated/simulated.ts'
import type { World } from '../../executor/simulated/world.ts'
import { JobChanges } from '../../job/changes.ts'
import { announcing } from '../../store/announcing.ts'
import { openSqliteStore } from '../../store/sqlite/open.ts'
import type { Store } from '../../store/store.ts'
import type { Clock } from '../../clock.ts'
import { Loop } from '../loop.ts'
import { policyOf, type PartialPolicy } from '../policy.ts'
import { CallFailed, Life } from './life.ts'
import { plainSpec } from './plain-spec.ts'

/** What a {@link Server} is made of. */
export interface ServerParts {
  /** Where its database is, or will be. */
  readonly folder: string
  readonly clock: Clock
  readonly world: World
  readonly policy: PartialPolicy
  /** It hears of no change in the world: it only finds out by looking. @defaultValue false */
  readonly deaf?: boolean
}

/** Loop and store as one process has them, on a simulated world and a virtual clock. The next one finds what it leaves. */
export class Server {
  readonly life = new Life()
  /** The store as the process has it. */
  readonly store: Store
  /** The same, whether the process lives or not. */
  readonly kept: Store
  readonly loop: Loop
  /** What went wrong, but for calls that were made to fail. */
  readonly errors: string[] = []
  readonly #close: () => Promise<void>

  private constructor(kept: Store, { clock, world, policy, deaf = false }: ServerParts) {
    const executor = createSimulatedExecutor(world)
    const changes = new JobChanges()
    const own: Executor = this.life.of(executor)
    this.kept = kept
    this.store = announcing(this.life.of(kept), changes)
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
      await executor.close()
      await kept.close()
    }
  }

  /** Begins a process. It may have ended when this returns: killed early, or because a call failed that it cannot do without. */
  static async begin(parts: ServerParts, prepare: (life: Life) => void = () => {}): Promise<Server> {
    const server = new Server(await openSqliteStore(join(parts.folder, 'db')), parts)
    prepare(server.life)
    await server.loop.open().catch((error: unknown) => {
      if (!(error instanceof CallFailed)) throw error
      server.life.end()
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
