import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { MachineImages } from '../../image/machine-images.ts'
import { busyboxImage } from '../../image/testing/busybox-image.ts'
import { pushImage, startRegistry } from '../../image/testing/registry.ts'
import { startStallingProxy } from '../../image/testing/stalling-proxy.ts'
import { describeExecutor } from '../executor-contract.ts'
import { busyboxReference } from './testing/busybox-root.ts'
import { ada, OciUnderTest, whyNoContainers } from './testing/oci-under-test.ts'
import { requireReference } from '../../job/image-reference.ts'

const reason = whyNoContainers()
const noCgroups = 'there are no control groups here'
if (reason === undefined)
  describeExecutor('oci', async () => {
    await using parts = new AsyncDisposableStack()
    const { images, ...references } = await realImages(parts)
    const tested = await OciUnderTest.open({ images })
    parts.defer(() => tested.close())
    const made = parts.move()
    return {
      executor: tested.executor,
      ...references,
      account: ada,
      gaps: availableParallelism() === 1 ? { processors: 'the machine has one processor' } : {},
      ...(tested.executor.limitsThatHold().memory ? {} : { whyNoMemoryLimit: noCgroups, whyNoUsage: noCgroups }),
      reopen: () => tested.reopen(),
      close: () => made.disposeAsync(),
    }
  })
else console.log(`# the oci executor is not tested: ${reason}`)

/** Images as the platform has them: one in the local store, others in real registries, one of which asks who one is. */
async function realImages(parts: AsyncDisposableStack) {
  const folder = await mkdtemp(join(tmpdir(), 'oci-images-'))
  parts.defer(() => rm(folder, { recursive: true }))
  const account = { user: 'ada', password: 'of-the-registry' }
  const open = await startRegistry(join(folder, 'open'))
  parts.defer(() => open.stop())
  const closed = await startRegistry(join(folder, 'closed'), { account })
  parts.defer(() => closed.stop())
  const stalling = await startStallingProxy(open.host)
  parts.defer(() => stalling.stop())
  const registries = [open.host, closed.host, stalling.host]
  const images = await MachineImages.open({
    folder: join(folder, 'images'),
    policy: { registries, aliases: {}, insecure: registries },
    log: pino({ level: 'silent' }),
  })
  const archive = join(folder, 'busybox.tar')
  await busyboxImage({ archive, env: ['PATH=/bin'] })
  await images.load(archive, busyboxReference, { signal: AbortSignal.timeout(600_000) })
  await pushImage(archive, open, 'test/stalled:1')
  await pushImage(archive, closed, 'test/busybox:1', { account })
  return {
    images,
    image: busyboxReference,
    missingImage: requireReference(`${open.host}/test/nothing:1`),
    stalledImage: requireReference(`${stalling.host}/test/stalled:1`),
    privateImage: {
      image: requireReference(`${closed.host}/test/busybox:1`),
      registryAuth: `${account.user}:${account.password}`,
    },
  }
}
