import assert from 'node:assert/strict'
import type { Node } from '../../executor/executor.ts'
import type { Behaviour } from '../../executor/simulated/behaviour.ts'
import { SimulatedCluster, type Fact } from '../../executor/simulated/simulated-cluster.ts'
import { cancelStep } from '../../actions/cancel.ts'
import type { StoredJob } from '../../job/job.ts'
import { someJob } from '../../store/store-contract.ts'
import { VirtualClock } from '../../lib/virtual-clock.ts'
import type { Fault, ScenarioJob, ScenarioSettings } from './arbitrary-scenario.ts'
import { CallFailed, type FaultInjector } from './fault-injector.ts'
import { Server } from './server.ts'

/** By then everything has ended, since each job is ended at its limit. */
const patienceMs = 3_600_000

/** A platform to which things happen, and whose time passes as fast as they do. */
export class Scenario {
  readonly clock = new VirtualClock(Date.UTC(2026, 0, 1))
  readonly jobs = new Map<string, StoredJob>()
  readonly facts: Fact[] = []
  /** What went wrong: nodes that had more to carry than they have, more jobs at once than may be, errors that nobody foresaw. */
  readonly wrongs: string[] = []
  readonly #cluster: SimulatedCluster
  readonly #folder: string
  readonly #setting: ScenarioSettings
  readonly #nodes: readonly Node[]
  readonly #behaviours = new Map<string, Behaviour>()
  readonly #used = new Map<string, { cores: number; memoryGb: number }>()
  #underWay = 0
  /** What is to happen, by instant. */
  #planned: { readonly at: number; readonly happen: () => Promise<void> }[] = []
  #server: Server | undefined
  /** How servers that come are to be killed, and how long it takes until there is another. */
  #death: Pick<Fault & { type: 'kill' }, 'calls' | 'isLastDone' | 'awayMs'> | undefined

  constructor(folder: string, setting: ScenarioSettings) {
    this.#folder = folder
    this.#setting = setting
    const { nodes, nodesPrepare } = setting
    this.#nodes = nodes.map((node, index) => ({ ...node, name: `n${index}`, gpus: 0 }))
    this.#cluster = new SimulatedCluster({
      clock: this.clock,
      nodes: this.#nodes,
      nodesPrepare,
      behaviourOf: ({ jobId }) => this.#behaviours.get(jobId) ?? { command: [] },
      onFact: (fact) => {
        this.#note(fact)
      },
    })
  }

  plan(jobs: readonly ScenarioJob[], faults: readonly Fault[]): void {
    for (const plot of jobs) this.#plot(plot)
    for (const fault of faults) this.#later(fault.at, () => this.#strike(fault))
  }

  /** Lets everything happen. @throws where it does not come to an end. */
  async live(): Promise<void> {
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
        await next.happen()
      }
    }
  }

  get server(): Server {
    assert.ok(this.#server)
    return this.#server
  }

  async end(): Promise<void> {
    await this.#server?.end()
    this.wrongs.push(...(this.#server?.errors ?? []))
  }

  #plot({ at, cores, memoryGb, behaviour, cancelledAt, signal, ...plot }: ScenarioJob): void {
    const job = someJob({
      ...plot,
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
    this.#later(at, async () => {
      // Who was not answered does not know; who was answered has been promised.
      await this.#answered(async () => {
        await this.server.store.submit({ jobs: [job], events: [] })
        this.jobs.set(job.id, job)
      })
    })
    if (cancelledAt !== undefined) this.#later(Math.max(at, cancelledAt), () => this.#cancel(job.id))
  }

  #later(afterMs: number, happen: () => Promise<void>): void {
    this.#planned.push({ at: this.clock.now() + afterMs, happen })
  }

  /** Its owner asks until somebody answers. */
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

  async #strike(fault: Fault): Promise<void> {
    switch (fault.type) {
      case 'kill':
        this.#death = fault
        this.#sentence(this.server.faultInjector)
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

  /** The next death, where one is to come, is that of this server. */
  #sentence(faultInjector: FaultInjector): void {
    const [calls, ...later] = this.#death?.calls ?? []
    if (this.#death === undefined || calls === undefined) return
    faultInjector.endAfter(calls, this.#death.isLastDone)
    this.#death = { ...this.#death, calls: later }
  }

  async #restart(awayMs = this.#death?.awayMs ?? 0): Promise<void> {
    await this.end()
    this.clock.advance(awayMs)
    this.#server = await this.#begin()
  }

  #begin(): Promise<Server> {
    const { running, deaf } = this.#setting
    const policy = { limits: { user: { running }, group: {} } }
    const parts = { folder: this.#folder, clock: this.clock, cluster: this.#cluster, policy, deaf }
    return Server.begin(parts, (faultInjector) => {
      this.#sentence(faultInjector)
    })
  }

  async #isOver(): Promise<boolean> {
    return this.#cluster.list().length === 0 && (await this.server.kept.notEnded()).length === 0
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
      this.wrongs.push(`${node} had too much at ${fact.at}`)
    this.#underWay += sign
    if (this.#underWay > this.#setting.running) this.wrongs.push(`${this.#underWay} at once at ${fact.at}`)
  }
}
