import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { openLocalImages } from '../../image/open-local-images.ts'
import { busyboxImage } from '../../image/testing/busybox-image.ts'
import { pushImage, startRegistry } from '../../image/testing/registry.ts'
import { startStallingProxy } from '../../image/testing/stalling-proxy.ts'
import { describeExecutor } from '../executor-contract.ts'
import { busyboxReference } from './testing/busybox-root.ts'
import { ada, OciUnderTest, whyNoContainers } from './testing/oci-under-test.ts'

const reason = whyNoContainers()
if (reason === undefined)
  describeExecutor('oci', async () => {
    const images = await realImages()
    const tested = await OciUnderTest.open({ images: images.store })
    return {
      executor: tested.executor,
      ...images.references,
      account: ada,
      ...(tested.executor.limitsThatHold().memory ? {} : { whyNoMemoryLimit: 'there are no control groups here' }),
      reopen: () => tested.reopen(),
      close: async () => {
        await tested.close()
        await images.close()
      },
    }
  })
else console.log(`# the oci executor is not tested: ${reason}`)

/** Images as the platform has them: one in the local store, others in real registries, one of which asks who one is. */
async function realImages() {
  const folder = await mkdtemp(join(tmpdir(), 'oci-images-'))
  const account = { user: 'ada', password: 'of-the-registry' }
  const open = await startRegistry(join(folder, 'open'))
  const closed = await startRegistry(join(folder, 'closed'), { account })
  const stalling = await startStallingProxy(open.host)
  const registries = [open.host, closed.host, stalling.host]
  const store = await openLocalImages({
    folder: join(folder, 'images'),
    policy: { registries, aliases: {}, insecure: registries },
    log: pino({ level: 'silent' }),
  })
  const archive = join(folder, 'busybox.tar')
  await busyboxImage({ archive, env: ['PATH=/bin'] })
  await store.load(archive, busyboxReference, AbortSignal.timeout(60_000))
  await pushImage(archive, open, 'test/stalled:1')
  await pushImage(archive, closed, 'test/busybox:1', { account })
  return {
    store,
    references: {
      image: busyboxReference,
      missingImage: `${open.host}/test/nothing:1`,
      stalledImage: `${stalling.host}/test/stalled:1`,
      privateImage: { image: `${closed.host}/test/busybox:1`, registryAuth: `${account.user}:${account.password}` },
    },
    close: async () => {
      await stalling.stop()
      await open.stop()
      await closed.stop()
      await rm(folder, { recursive: true })
    },
  }
}
