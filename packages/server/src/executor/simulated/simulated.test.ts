import { machineClock, type Clock } from '../../lib/clock.ts'
import { VirtualClock } from '../../lib/virtual-clock.ts'
import { describeExecutor } from '../executor-contract.ts'
import type { ExecutorUnderTest } from '../executor-under-test.ts'
import type { AttemptSpec } from '../executor.ts'
import type { Behaviour, BehaviourOf } from './behaviour.ts'
import { createSimulatedExecutor } from './simulated.ts'
import { SimulatedCluster } from './simulated-cluster.ts'
import { printReference, requireReference } from '../../job/image-reference.ts'

describeExecutor('simulated, on the clock of the machine', () => worldUnderTest(machineClock))

describeExecutor('simulated, on a virtual clock', () => {
  const clock = new VirtualClock(Date.UTC(2026, 0, 1))
  // Nobody waits: as soon as nothing else is done, it is the time at which something is due.
  const hand = setInterval(() => {
    clock.advanceTo(clock.next() ?? clock.now())
  }, 1)
  return worldUnderTest(clock, () => {
    clearInterval(hand)
  })
})

async function worldUnderTest(clock: Clock, end: () => void = () => {}): Promise<ExecutorUnderTest> {
  const scripts = new Map<string, BehaviourOf>()
  const cluster = new SimulatedCluster({
    clock,
    nodes: [{ name: 'here', cores: 2, memoryGb: 4, gpus: 0 }],
    behaviourOf: (spec) => ({ ...scripts.get(spec.id)?.(spec), ...fetching(spec) }) as Behaviour,
  })
  let executor = createSimulatedExecutor(cluster)
  await executor.open()
  return {
    executor,
    image: requireReference('localhost/test/shell:1'),
    missingImage: requireReference('localhost/test/nothing:1'),
    stalledImage: requireReference('localhost/test/stalled:1'),
    privateImage: { image: requireReference('localhost/test/private:1'), registryAuth: 'ada:of-the-registry' },
    whyNoContainers: 'nothing is really run',
    account: { name: 'ada', uid: 52_001, gid: 52_001, groups: [] },
    rehearse: (attemptId, behaviourOf) => scripts.set(attemptId, behaviourOf),
    now: () => clock.now(),
    reopen: async () => {
      await executor.close()
      executor = createSimulatedExecutor(cluster)
      await executor.open()
      return executor
    },
    close: async () => {
      end()
      await executor.close()
    },
  }
}

/** What becomes of the images that the suite has. */
function fetching({ image: reference, registryAuth }: AttemptSpec): Partial<Behaviour> {
  const image = printReference(reference)
  switch (image) {
    case 'localhost/test/nothing:1':
      return { failure: { code: 'image-not-found', message: `There is no image ${image}.` } }
    case 'localhost/test/stalled:1':
      return { prepareMs: Infinity }
    case 'localhost/test/private:1':
      return registryAuth === 'ada:of-the-registry'
        ? { prepareMs: 20 }
        : { failure: { code: 'image-unauthorized', message: `${image} asks for credentials.` } }
    default:
      return {}
  }
}
