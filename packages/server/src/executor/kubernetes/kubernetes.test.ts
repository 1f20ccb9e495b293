import { describeExecutor } from '../executor-contract.ts'
import { ada, busybox, clusterRegistry, silentServer, TestCluster, whyNoCluster } from './testing/test-cluster.ts'

const reason = whyNoCluster()
if (reason === undefined)
  describeExecutor('kubernetes', async () => {
    const cluster = await TestCluster.open()
    const silent = await silentServer()
    return {
      executor: cluster.executor,
      image: busybox,
      missingImage: `${clusterRegistry}/test/nothing:1`,
      stalledImage: `${silent.host}/test/stalled:1`,
      logOfLines: true,
      instantMs: 1000,
      whyNotShorter: 'containerd 1.6 keeps to the first grace period that it was given',
      account: ada,
      reopen: () => cluster.reopen(),
      close: async () => {
        silent.close()
        await cluster.close()
      },
    }
  })
else console.log(`# the kubernetes executor is not tested: ${reason}`)
