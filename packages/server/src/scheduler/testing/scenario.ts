import assert from 'node:assert/strict'
import type { AttemptSpec, Node } from '../../executor/executor.ts'
import type { Behaviour } from '../../executor/simulated/behaviour.ts'
import { SimulatedCluster, type Fact } from '../../executor/simulated/simulated-cluster.ts'
import { cancelStep } from '../../actions/cancel.ts'
import type { StoredJob } from '../../job/job.ts'
import { someJob } from '../../store/testing/some-job.ts'
import { VirtualClock } from '../../lib/virtual-clock.ts'
import type { Fault, ScenarioJob, ScenarioSettings } from './arbitrary-scenario.ts'
import { CallFailed, type FaultInjector } from './fault-injector.ts'
import { Server } from './server.ts'

/** By then every job has ended, at its limit at the latest. */
const patienceMs = 3_600_000

/** A platform with jobs and faults on a virtual clock. */
export class Scenario {
  readonly clock = new VirtualClock(Date.UTC(2026, 0, 1))
  readonly jobs = new Map<string, StoredJob>()
  readonly facts: Fact[] = []
  /** Over-committed nodes, exceeded limits, unexpected errors. */
  readonly failures: string[] = []
  readonly #cluster: SimulatedCluster
  readonly #folder: string
  readonly #settings: ScenarioSettings
  readonly #nodes: readonly Node[]
  readonly #behaviours = new Map<string, Behaviour>()
  /** By the id of the job. */
  readonly #failedTries = new Map<string, number>()
  readonly #used = new Map<string, { cores: number; memoryGb: number }>()
  #underWay = 0
  /** Actions to come, by instant. */
  #planned: { readonly at: number; readonly act: () => Promise<void> }[] = []
  #server: Server | undefined
  /** How the next servers are to be killed, and for how long each is away. */
  #kills: Pick<Fault & { type: 'kill' }, 'calls' | 'isLastDone' | 'awayMs'> | undefined

  constructor(folder: string, settings: ScenarioSettings) {
    this.#folder = folder
    this.#settings = settings
    const { nodes, nodesPrepare } = settings
    this.#nodes = nodes.map((node, index) => ({ ...node, name: `n${index}`, gpus: 0 }))
    this.#cluster = new SimulatedCluster({
      clock: this.clock,
      nodes: this.#nodes,
      nodesPrepare,
      behaviourOf: (spec) => this.#behaviourOf(spec),
      onFact: (fact) => {
        this.#note(fact)
      },
    })
  }

  plan(jobs: readonly ScenarioJob[], faults: readonly Fault[]): void {
    for (const job of jobs) this.#plan(job)
    for (const fault of faults) this.#later(fault.at, () => this.#inject(fault))
  }

  /** Runs until all jobs have ended. @throws where they do not. */
  async run(): Promise<void> {
    this.#server = await this.#begin()
    this.#planned.sort((a, b) => a.at - b.at)
    const end = this.clock.now() + patienceMs
    for (;;) {
      await this.server.loop.resting()
      if (this.server.faultInjector.isOver) {
        await this.#restart()
        continue
      }
      const next = this.#planned[0]
      if (next === undefined && (await this.#isOver())) return
      assert.ok(this.clock.now() < end, 'it does not end')
      const alarm = this.clock.next() ?? Infinity
      if (next === undefined || alarm < next.at) this.clock.advanceTo(alarm)
      else {
        this.#planned.shift()
        this.clock.advanceTo(next.at)
        await next.act()
      }
    }
  }

  get server(): Server {
    assert.ok(this.#server)
    return this.#server
  }

  async end(): Promise<void> {
    await this.#server?.end()
    this.failures.push(...(this.#server?.errors ?? []))
  }

  /** The first attempts of a job may meet a registry that is away. */
  #behaviourOf({ id, jobId }: AttemptSpec): Behaviour {
    const behaviour = this.#behaviours.get(jobId) ?? { command: [] }
    const number = Number(id.slice(id.lastIndexOf('-') + 1))
    if (number > (this.#failedTries.get(jobId) ?? 0)) return behaviour
    return {
      ...behaviour,
      failure: { code: 'image-unreachable', message: 'The registry does not answer.' },
      retryMs: 50_000,
    }
  }

  #plan({ at, cores, memoryGb, behaviour, failedTries, cancelledAt, signal, ...parts }: ScenarioJob): void {
    const job = someJob({
      ...parts,
      ...(signal === undefined ? {} : { signal }),
      resources: {
        cores: { request: cores, limit: 8 },
        memoryGb: { request: memoryGb, limit: memoryGb },
        gpus: 0,
        fixed: false,
      },
      submittedAt: this.clock.now() + at,
    })
    this.#behaviours.set(job.id, behaviour)
    this.#failedTries.set(job.id, failedTries)
    this.#later(at, async () => {
      // Only a submission that was answered counts as accepted.
      await this.#answered(async () => {
        await this.server.store.submit({ jobs: [job], events: [] })
        this.jobs.set(job.id, job)
      })
    })
    if (cancelledAt !== undefined) this.#later(Math.max(at, cancelledAt), () => this.#cancel(job.id))
  }

  #later(afterMs: number, act: () => Promise<void>): void {
    this.#planned.push({ at: this.clock.now() + afterMs, act })
  }

  /** The job's owner asks again until a server answers. */
  async #cancel(id: string): Promise<void> {
    const isAnswered = await this.#answered(async () => {
      for (;;) {
        const job = await this.server.store.job(id)
        const step = job === undefined ? undefined : cancelStep(job, 'its owner', this.clock.now())
        if (step === undefined || (await this.server.store.step([step])).length > 0) return
      }
    })
    if (isAnswered) return
    if (this.server.faultInjector.isOver) await this.#restart()
    await this.#cancel(id)
  }

  async #answered(ask: () => Promise<void>): Promise<boolean> {
    try {
      await ask()
      return true
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error
      return false
    }
  }

  async #inject(fault: Fault): Promise<void> {
    switch (fault.type) {
      case 'kill':
        this.#kills = fault
        this.#planKill(this.server.faultInjector)
        break
      case 'stop':
        await this.#restart(fault.awayMs)
        break
      case 'fail':
        this.server.faultInjector.fail(fault.calls)
        break
      case 'lose': {
        const node = this.#nodes[fault.node % this.#nodes.length]
        assert.ok(node)
        this.#cluster.loseNode(node.name)
        this.clock.at(this.clock.now() + fault.awayMs, () => {
          this.#cluster.addNode(node)
        })
      }
    }
  }

  /** This server is the next to be killed, where one is to be. */
  #planKill(faultInjector: FaultInjector): void {
    const [calls, ...later] = this.#kills?.calls ?? []
    if (this.#kills === undefined || calls === undefined) return
    faultInjector.endAfter(calls, this.#kills.isLastDone)
    this.#kills = { ...this.#kills, calls: later }
  }

  async #restart(awayMs = this.#kills?.awayMs ?? 0): Promise<void> {
    await this.end()
    this.clock.advance(awayMs)
    this.#server = await this.#begin()
  }

  #begin(): Promise<Server> {
    const { running, deaf } = this.#settings
    const policy = { limits: { user: { running }, group: {} } }
    const parts = { folder: this.#folder, clock: this.clock, cluster: this.#cluster, policy, deaf }
    return Server.begin(parts, (faultInjector) => {
      this.#planKill(faultInjector)
    })
  }

  async #isOver(): Promise<boolean> {
    return this.#cluster.list().length === 0 && (await this.server.database.notEnded()).length === 0
  }

  #note(fact: Fact): void {
    this.facts.push(fact)
    const { type, node, spec } = fact
    const sign = type === 'taken' ? 1 : type === 'ended' || type === 'dropped' ? -1 : 0
    const { cores, memoryGb } = this.#used.get(node) ?? { cores: 0, memoryGb: 0 }
    const used = {
      cores: cores + sign * spec.resources.cores.request,
      memoryGb: memoryGb + sign * spec.resources.memoryGb.request,
    }
    this.#used.set(node, used)
    const all = this.#nodes.find(({ name }) => name === node)
    if (all === undefined || used.cores > all.cores || used.memoryGb > all.memoryGb)
      this.failures.push(`${node} was over-committed at ${fact.at}`)
    this.#underWay += sign
    if (this.#underWay > this.#settings.running) this.failures.push(`${this.#underWay} at once at ${fact.at}`)
  }
}
