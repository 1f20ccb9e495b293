import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Jobs } from '@science-platform/client'
import { busyboxImage } from '../../packages/server/src/image/testing/busybox-image.ts'
import { pushImage, startRegistry, type TestRegistry } from '../../packages/server/src/image/testing/registry.ts'
import { kubectl } from '../support/cluster-place.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'

describe('a private image on a cluster', { skip: onKubernetes ? false : 'it takes EXECUTOR=kubernetes' }, () => {
  const account = { user: 'ada', password: 'of-the-registry' }
  let folder: string
  let registry: TestRegistry
  let platform: Platform
  let image: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kubernetes-private-'))
    registry = await startRegistry(join(folder, 'registry'), { account })
    await busyboxImage({ archive: join(folder, 'image.tar') })
    await pushImage(join(folder, 'image.tar'), registry, 'private/busybox:1', { account })
    image = `${registry.host}/private/busybox:1`
    platform = await Platform.make(`images: {registries: ['${registry.host}']}\n`)
    await platform.start()
  })
  after(async () => {
    await platform[Symbol.asyncDispose]()
    await registry.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const submit = async (line: string): Promise<string> => {
    const jobs = new Jobs({
      url: platform.url,
      token: platform.token,
      registry: { username: account.user, secret: account.password },
    })
    const [id = ''] = (await jobs.submit({ name: 'private', image, cmd: 'sh', args: ['-c', line] })).ids
    return id
  }
  const secrets = () => kubectl('get', 'secrets', '-n', platform.namespace, '-o', 'name')

  it('is fetched with the credentials of its job, which are gone with it', async () => {
    const id = await submit('echo up; while [ ! -e go ]; do sleep 0.2; done; rm go')
    await platform.becomes(id, 'running')
    assert.match(await secrets(), new RegExp(`secret/science-platform-${id}-1-[0-9a-f]{8}\n`))
    const [pod = ''] = (await kubectl('get', 'pods', '-n', platform.namespace, '-o', 'json')).split('of-the-registry')
    assert.ok(!pod.includes(account.password), 'no password in the pod')
    await platform.run('touch go')
    assert.equal((await platform.ended(id)).state, 'succeeded')
    await eventually('the Secret to be gone', async () => (await secrets()) === '')
  })

  it('is told as what it is where its Secret was deleted by hand', async () => {
    // A quota holds the pod back until the Secret is gone.
    const inNamespace = ['-n', platform.namespace]
    await kubectl('create', 'quota', 'no-pods', '--hard=pods=0', ...inNamespace)
    const id = await submit('true')
    await eventually('the Secret', async () => (await secrets()).includes(id))
    await kubectl('delete', 'secrets', '--all', ...inNamespace)
    await kubectl('delete', 'quota', 'no-pods', ...inNamespace)
    const job = await platform.ended(id)
    assert.deepEqual([job.state, job.cause?.code], ['failed', 'image-unauthorized'])
  })
})
