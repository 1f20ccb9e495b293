import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'
import { PrivateImage } from '../support/private-image.ts'

const skip = onKubernetes ? false : 'it takes EXECUTOR=kubernetes'

describe('our server killed at ten moments of jobs on a cluster', { skip }, () => {
  let platform: Platform
  before(async () => {
    platform = await Platform.make()
    await platform.start()
  })
  after(() => platform[Symbol.asyncDispose]())

  const restart = async () => {
    await platform.stop('SIGKILL')
    await platform.start()
  }
  const script = (name: string) =>
    `echo x >> ${name}; echo begun; sleep 2; echo finished; wc -l < ${name}; rm ${name}; exit 3`
  const found = async (id: string) => {
    const job = await platform.ended(id)
    assert.deepEqual([job.state, job.exitCode], ['failed', 3])
    assert.equal(await platform.logOf(id), 'begun\nfinished\n1\n')
  }

  /** Milliseconds after the submission; a job on an idle node runs after about one second and ends after three. */
  for (const moment of [0, 30, 100, 300, 700, 1200, 2000, 3200])
    it(`${moment} ms after it was accepted: it runs once to its end, with all events`, async () => {
      const id = await platform.submit(script(`after-${moment}`))
      await new Promise((resolve) => setTimeout(resolve, moment))
      await restart()
      await found(id)
    })

  it('during the cancellation: it ends as cancelled', async () => {
    const id = await platform.submit('trap "sleep 2; echo saved; exit 0" TERM; echo up; while :; do sleep 0.2; done')
    await platform.becomes(id, 'running')
    await eventually('its first words', async () => (await platform.logOf(id)) !== '')
    await platform.jobs().cancel(id)
    await restart()
    assert.equal((await platform.ended(id)).state, 'cancelled')
    assert.equal(await platform.logOf(id), 'up\nsaved\n')
  })

  it('three times during one job: it runs once, and its log has each line once', async () => {
    const id = await platform.submit('for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 1; done; exit 3')
    await platform.becomes(id, 'running')
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1500))
      await restart()
    }
    assert.equal((await platform.ended(id)).exitCode, 3)
    assert.equal(await platform.logOf(id), '1\n2\n3\n4\n5\n6\n7\n8\n')
  })
})

/**
 * A job with credentials: the platform creates a suspended Job, then its Secret, then unsuspends the Job. A server that starts in
 * between deletes these objects and creates them again under the same names, while the cluster still deletes the first ones.
 */
describe('our server killed while a job with a private image starts', { skip }, () => {
  let image: PrivateImage
  let platform: Platform
  before(async () => {
    image = await PrivateImage.push()
    platform = await Platform.make(image.settings)
    await platform.start()
  })
  after(async () => {
    await platform[Symbol.asyncDispose]()
    await image[Symbol.asyncDispose]()
  })

  /** Milliseconds after the submission. The Secret exists after 100 to 200 ms, the pod a second later. */
  for (const moment of [0, 30, 60, 100, 150, 200, 300, 450, 800])
    it(`${moment} ms after it was accepted: it runs once to its end`, async () => {
      const file = `private-${moment}`
      const id = await image.submit(platform, `echo x >> ${file}; wc -l < ${file}; exit 3`)
      await new Promise((resolve) => setTimeout(resolve, moment))
      await platform.stop('SIGKILL')
      await platform.start()
      const job = await platform.ended(id)
      assert.deepEqual([job.state, job.cause?.code, job.exitCode], ['failed', 'exited', 3])
      assert.equal(await platform.logOf(id), '1\n')
    })
})
