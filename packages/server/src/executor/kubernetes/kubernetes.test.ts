import { join } from 'node:path'
import { busyboxImage } from '../../image/testing/busybox-image.ts'
import { pushImage, startRegistry } from '../../image/testing/registry.ts'
import { describeExecutor } from '../executor-contract.ts'
import { ada, busybox, clusterRegistry, silentServer, TestCluster, whyNoCluster } from './testing/test-cluster.ts'
import { requireReference } from '../../job/image-reference.ts'

const reason = whyNoCluster()
if (reason === undefined)
  describeExecutor('kubernetes', async () => {
    const cluster = await TestCluster.open()
    const silent = await silentServer()
    const account = { user: 'ada', password: 'of-the-registry' }
    const registry = await startRegistry(join(cluster.folder, 'registry'), { account })
    await busyboxImage({ archive: join(cluster.folder, 'private.tar') })
    await pushImage(join(cluster.folder, 'private.tar'), registry, 'private/busybox:1', { account })
    return {
      executor: cluster.executor,
      image: busybox,
      missingImage: requireReference(`${clusterRegistry}/test/nothing:1`),
      stalledImage: requireReference(`${silent.host}/test/stalled:1`),
      logOfLines: true,
      instantMs: 1000,
      // The executor samples every 15 s, and the kubelet every 10 to 20 s.
      usageAfterSeconds: 45,
      gaps: {
        processors: 'a pod cannot choose its processors',
        umask: 'a pod cannot choose its umask',
        resourceLimits: 'a pod cannot choose its resource limits',
      },
      whyNoSignals: 'a node reports a signal as an exit code',
      whyFirstAlone: 'containerd ends a container with its first process',
      whyNoMemoryKillEvents: 'a node reports at the end that there was a kill',
      whyNotShorter: 'containerd 1.6 does not shorten a grace period',
      privateImage: {
        image: requireReference(`${registry.host}/private/busybox:1`),
        registryAuth: `${account.user}:${account.password}`,
      },
      account: ada,
      reopen: () => cluster.reopen(),
      close: async () => {
        silent.close()
        await registry.stop()
        await cluster.close()
      },
    }
  })
else console.log(`# the kubernetes executor is not tested: ${reason}`)
