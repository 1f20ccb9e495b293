import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { VirtualClock } from '../../lib/virtual-clock.ts'
import type { AttemptSpec } from '../executor.ts'
import { awaitFile, exit, forever, touch, wait, write, type Behaviour } from './behaviour.ts'
import { createSimulatedExecutor } from './simulated.ts'
import { SimulatedCluster, type Fact } from './simulated-cluster.ts'
import { requireReference } from '../../job/image-reference.ts'

const nodes = [
  { name: 'n1', cores: 2, memoryGb: 4, gpus: 0 },
  { name: 'n2', cores: 2, memoryGb: 4, gpus: 0 },
]
const spec = (id: string, parts: Partial<AttemptSpec> = {}): AttemptSpec => ({
  id,
  jobId: id,
  name: 'job',
  account: { name: 'ada', uid: 1, gid: 1, groups: [] },
  image: requireReference('localhost/test:1'),
  env: {},
  resources: { cores: { request: 1, limit: 1 }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true },
  graceSeconds: 1,
  ...parts,
})

/** A cluster, its clock, what happens in it, and an executor that uses it. */
async function make(behaviour: Behaviour | ((spec: AttemptSpec) => Behaviour), nodesPrepare = false) {
  const clock = new VirtualClock()
  const facts: Fact[] = []
  const cluster = new SimulatedCluster({
    clock,
    nodes,
    nodesPrepare,
    behaviourOf: typeof behaviour === 'function' ? behaviour : () => behaviour,
    onFact: (fact) => facts.push(fact),
  })
  const executor = createSimulatedExecutor(cluster)
  await executor.open()
  const find = async (id: string) => (await executor.list()).find(({ attemptId }) => attemptId === id)
  return { clock, cluster, executor, find, facts, told: () => facts.map(({ type, at }) => `${type} at ${at}`) }
}

test('an attempt runs on the node of the plan, and is lost with it, as is one that comes too late', async () => {
  const { clock, cluster, executor, find } = await make({ command: [write('x'), forever] })
  await executor.start(spec('a', { node: 'n2' }))
  clock.advance(10)
  assert.deepEqual([(await find('a'))?.phase, (await find('a'))?.node], ['running', 'n2'])
  cluster.loseNode('n2')
  await executor.start(spec('b', { node: 'n2' }))
  await executor.start(spec('c', { node: 'n1' }))
  clock.advance(10)
  assert.deepEqual(await executor.nodes(), [nodes[0]])
  for (const id of ['a', 'b']) assert.equal((await find(id))?.ending?.cause.code, 'lost')
  assert.deepEqual([(await find('a'))?.startedAt, (await find('b'))?.startedAt], [0, undefined])
  assert.equal(await executor.logSize('a'), 1, 'what it wrote is kept')
  assert.equal((await find('c'))?.phase, 'running')
})

test('what a server prepares goes with it; what nodes prepare does not', async () => {
  for (const nodesPrepare of [false, true]) {
    const { clock, cluster, executor, told } = await make({ prepareMs: 100, command: [] }, nodesPrepare)
    await executor.start(spec('a'))
    await executor.close()
    clock.advance(200)
    const rest = nodesPrepare ? ['started at 100', 'ended at 100'] : ['dropped at 0']
    assert.deepEqual(told(), ['taken at 0', ...rest])
    assert.equal(cluster.list().length, nodesPrepare ? 1 : 0)
  }
})

test('what has run and was forgotten does not run again', async () => {
  const { clock, executor, find, told } = await make({ command: [] })
  await executor.start(spec('a'))
  clock.advance(1)
  await executor.forget('a')
  await executor.start(spec('a'))
  clock.advance(1)
  assert.equal((await find('a'))?.ending?.cause.code, 'start-failed')
  assert.equal(told().filter((fact) => fact.startsWith('started')).length, 1)
})

test('what is not to be taken is refused, and leaves nothing', async () => {
  const { executor } = await make(() => {
    throw new Error('no room')
  })
  await assert.rejects(executor.start(spec('a')), /no room/)
  assert.deepEqual(await executor.list(), [])
  await executor.start(spec('b')).catch(() => undefined)
  await assert.rejects(executor.start(spec('b')), /no room/, 'asked again it is refused again')
})

test('the same always happens in the same order', async () => {
  const behaviour = fc.record({
    prepareMs: fc.nat(5),
    command: fc.array(fc.oneof(fc.nat(5).map(wait), fc.constantFrom(touch('a'), awaitFile('a'), exit(1)))),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(behaviour, { maxLength: 6 }), async (behaviours) => {
      const run = async () => {
        const { clock, executor, facts } = await make(({ id }) => behaviours[Number(id)] ?? { command: [] })
        for (const id of behaviours.keys()) await executor.start(spec(String(id)))
        clock.advance(1_000)
        for (const id of behaviours.keys()) await executor.stop(String(id), 0)
        assert.ok((await executor.list()).every(({ phase }) => phase === 'ended'))
        assert.equal(clock.next(), undefined, 'nothing is left to be done')
        return facts
      }
      assert.deepEqual(await run(), await run())
    }),
  )
})
