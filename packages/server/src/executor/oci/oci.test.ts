import { describeExecutor } from '../executor-contract.ts'
import { busyboxReference } from './testing/busybox-root.ts'
import { ada, OciUnderTest, whyNoContainers } from './testing/oci-under-test.ts'

const reason = whyNoContainers()
if (reason === undefined)
  describeExecutor('oci', async () => {
    const tested = await OciUnderTest.open()
    return {
      executor: tested.executor,
      image: busyboxReference,
      missingImage: 'localhost/test/nothing:1',
      stalledImage: 'localhost/test/stalled:1',
      account: ada,
      ...(tested.executor.limitsThatHold().memory ? {} : { whyNoMemoryLimit: 'there are no control groups here' }),
      reopen: () => tested.reopen(),
      close: () => tested.close(),
    }
  })
else console.log(`# the oci executor is not tested: ${reason}`)
