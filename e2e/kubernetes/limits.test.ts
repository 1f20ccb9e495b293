import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { kubectl } from '../support/cluster-place.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'
import { isToldToWait } from '../support/waits-for.ts'

const skip = onKubernetes ? false : 'it takes EXECUTOR=kubernetes'

describe('limits of a job on a cluster', { skip }, () => {
  let platform: Platform
  before(async () => {
    platform = await Platform.make()
    await platform.start()
  })
  after(() => platform[Symbol.asyncDispose]())

  it('memory: the kernel ends the job, and the cause has the limit', async () => {
    const { job } = await platform.run(
      'tail -c 1500m /dev/zero | wc -c; x=$(head -c 1500m /dev/zero | tr "\\0" a); echo $?',
      {
        cores: 1,
        memoryGb: 1,
      },
    )
    assert.deepEqual([job.state, job.cause?.code, job.exitCode], ['failed', 'out-of-memory', 137])
    assert.match(job.cause?.message ?? '', /limit of 1 GiB/)
  })

  it('disk: the node ends the job, and the hint says where to write', async () => {
    const { job } = await platform.run('head -c 2600m /dev/zero > /scratch/large; sleep 600')
    assert.deepEqual([job.state, job.cause?.code], ['failed', 'evicted'])
    assert.match(job.cause?.message ?? '', /disk space/)
    assert.match(job.cause?.hint ?? '', /\/arc/)
  })

  it('time: the job gets SIGTERM, then it is killed', async () => {
    const { job, log } = await platform.run('trap "echo saved; exit 0" TERM; echo up; while :; do sleep 0.2; done', {
      timeSeconds: 3,
    })
    assert.deepEqual([job.state, job.cause?.code], ['failed', 'time-limit'])
    assert.equal(log, 'up\nsaved\n')
  })

  it('quota: the job waits with the reason, and starts with more quota', async () => {
    await kubectl('create', 'quota', 'one-pod', '--hard=pods=1', '-n', platform.namespace)
    const first = await platform.submit('while [ ! -e go-on ]; do sleep 0.2; done; rm go-on')
    let second: string
    try {
      await platform.becomes(first, 'running')
      second = await platform.submit('echo second')
      await isToldToWait(
        platform.jobs(),
        second,
        /^The cluster's quota one-pod is used up: the job requests pods=1; pods=1 of pods=1 are in use\. The job starts when enough is free\.$/,
      )
    } finally {
      await kubectl('delete', 'quota', 'one-pod', '-n', platform.namespace)
    }
    const releaser = await platform.run('touch go-on')
    assert.equal(releaser.job.exitCode, 0)
    assert.equal((await platform.ended(first)).exitCode, 0)
    assert.equal((await platform.ended(second)).exitCode, 0)
  })

  it('an image that does not exist: the job ends at once', async () => {
    const { job } = await platform.run('true', { image: 'localhost/test/nothing:1' })
    assert.deepEqual([job.state, job.cause?.code], ['failed', 'image-not-found'])
    assert.equal(job.startedAt, undefined)
  })

  it('a program that is not in the image: the job ends at once', async () => {
    const { job } = await platform.run('', { cmd: 'no-such-program', args: [] })
    assert.deepEqual([job.state, job.cause?.code], ['failed', 'command-not-found'])
  })
})

describe('a registry that never answers', { skip }, () => {
  it('delays the job with a reason for the configured time; then the job ends', async () => {
    // Nobody listens on port 9 (discard) of this machine.
    await using platform = await Platform.make(
      "images: {registries: ['127.0.0.1:9']}\nkubernetes: {imageSeconds: 20}\n",
    )
    await platform.start()
    const id = await platform.submit('true', { image: '127.0.0.1:9/test/never:1' })
    await eventually('a reason', async () => /could not be reached/.test((await platform.jobs().get(id)).reason ?? ''))
    const job = await platform.ended(id)
    assert.deepEqual([job.state, job.cause?.code], ['failed', 'image-unreachable'])
  })
})
