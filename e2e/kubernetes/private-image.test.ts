import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { kubectl } from '../support/cluster-place.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'
import { PrivateImage } from '../support/private-image.ts'

describe('a private image on a cluster', { skip: onKubernetes ? false : 'it takes EXECUTOR=kubernetes' }, () => {
  let image: PrivateImage
  let platform: Platform

  before(async () => {
    image = await PrivateImage.push()
    platform = await Platform.make(image.settings)
    // The most verbose log.
    platform.set('LOG_LEVEL', 'trace')
    await platform.start()
  })
  after(async () => {
    await platform[Symbol.asyncDispose]()
    await image[Symbol.asyncDispose]()
  })

  const inNamespace = (...args: string[]): Promise<string> => kubectl(...args, '-n', platform.namespace)
  const secrets = () => inNamespace('get', 'secrets', '-o', 'name')

  it('is fetched with the credentials of its job, which are only in its Secret, and deleted with it', async () => {
    const id = await image.submit(platform, 'echo up; while [ ! -e go ]; do sleep 0.2; done; rm go')
    await platform.becomes(id, 'running')
    const [, secret = ''] = new RegExp(`^secret/(science-platform-${id}-1-[0-9a-f]{8})\n`).exec(await secrets()) ?? []
    const { user, password } = image.account
    const auth = Buffer.from(`${user}:${password}`).toString('base64')

    const stored = await inNamespace('get', 'secret', secret, '-o', 'json')
    const { data } = JSON.parse(stored) as { data: Record<string, string> }
    const config = Buffer.from(data['.dockerconfigjson'] ?? '', 'base64').toString()
    assert.ok(config.includes(auth), 'what is looked for below is what there is')

    const objects = await inNamespace('get', 'jobs,pods,events', '-o', 'json', '--show-managed-fields')
    for (const kind of ['Job', 'Pod', 'Event']) assert.match(objects, new RegExp(`"kind": "${kind}"`))
    await platform.run('touch go')
    const job = await platform.ended(id)
    assert.equal(job.state, 'succeeded')
    assert.ok(platform.log.includes(id), 'the log tells of it')
    const told = JSON.stringify([job, await platform.jobs().events(id)])
    for (const [where, text] of Object.entries({ objects, told, log: platform.log, secret: stored }))
      for (const words of [password, Buffer.from(password).toString('base64'), auth])
        assert.ok(!text.includes(words), `${words} is in ${where}`)
    await eventually('the Secret to be gone', async () => (await secrets()) === '')
  })

  it("and a job's variables and its token are in no object that a reader of pods sees", async () => {
    const password = `pässword-$(HOME)-${randomUUID()}`
    const script = 'echo "$DB_PASSWORD $CANFAR_TOKEN"; while [ ! -e go2 ]; do sleep 0.2; done; rm go2'
    const id = await platform.submit(script, { env: { DB_PASSWORD: password }, jobToken: true })
    await platform.becomes(id, 'running')
    const objects = await inNamespace(
      'get',
      'jobs,pods,events,replicasets,configmaps',
      '-o',
      'json',
      '--show-managed-fields',
    )
    assert.ok(objects.includes(`"canfar.net/id": "${id}"`))
    await platform.run('touch go2')
    assert.equal((await platform.ended(id)).state, 'succeeded')
    const [seen, token = ''] = (await platform.logOf(id)).trim().split(' ')
    assert.equal(seen, password, 'the job has it unchanged')
    assert.ok(token.length > 20)
    for (const words of [password, token]) assert.ok(!objects.includes(words) && !platform.log.includes(words))
    await eventually('the Secret to be gone', async () => (await secrets()) === '')
  })

  it('has its own cause when its Secret was deleted by hand', async () => {
    // A quota prevents the pod until the Secret is deleted.
    await inNamespace('create', 'quota', 'no-pods', '--hard=pods=0')
    const id = await image.submit(platform, 'true')
    await eventually('the Secret', async () => (await secrets()).includes(id))
    await inNamespace('delete', 'secrets', '--all')
    await inNamespace('delete', 'quota', 'no-pods')
    const job = await platform.ended(id)
    assert.deepEqual([job.state, job.cause?.code], ['failed', 'image-unauthorized'])
  })
})
