import assert from 'node:assert/strict'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Images } from '@science-platform/client'
import { busyboxImage } from '../packages/server/src/image/testing/busybox-image.ts'
import { startRecordingProxy, type RecordingProxy } from '../packages/server/src/image/testing/recording-proxy.ts'
import { pushImage, startRegistry, type TestRegistry } from '../packages/server/src/image/testing/registry.ts'
import { eventually, Platform } from './support/platform.ts'

let platform: Platform
let registry: TestRegistry
let way: RecordingProxy

before(async () => {
  platform = await Platform.make('capacity: {cores: 2, memoryGb: 2}\n')
  registry = await startRegistry(join(platform.folder, 'registry'))
  way = await startRecordingProxy(registry.host)
  const archive = join(platform.folder, 'archive.tar')
  await busyboxImage({ archive })
  await pushImage(archive, registry, 'team/tool:1')
  const alias = `aliases: {r.test: "${way.host}"}, insecure: ["${way.host}"]`
  await appendFile(platform.config, `images: {registries: [r.test], ${alias}, waitSeconds: 300}\n`)
  await platform.start()
  // The catalogue asks for the images that are there now; those of the next path are asked for by jobs alone.
  await eventually('the catalogue to be read', async () => {
    const { images } = await new Images({ url: platform.url, token: platform.token }).list()
    return images.some(({ reference }) => reference === 'r.test/team/tool:1')
  })
  await pushImage(archive, registry, 'team/late:1')
})
after(async () => {
  await platform[Symbol.asyncDispose]()
  await way.stop()
  await registry.stop()
})

const replicas = { name: 'away', image: 'r.test/team/late:1', cmd: 'true', cores: 1, memoryGb: 1, replicas: 5 }

test('jobs whose registry is down wait without capacity, survive a restart, and run later', async () => {
  way.answerInstead = () => ({ status: 429, headers: { 'retry-after': '20' } })
  const { ids } = await platform.jobs().submit(replicas)
  const waiting = await eventually('all replicas to wait for the registry', async () => {
    const jobs = await Promise.all(ids.map((id) => platform.jobs().get(id)))
    return jobs.every(({ state, notBefore }) => state === 'queued' && notBefore !== undefined) && jobs
  })
  // Two fit at once: the others were placed after these had made room, and joined their wait without a request.
  const rounds = Math.max(...waiting.map(({ attempts }) => attempts.length))
  const requests = way.requests.filter(({ path }) => path.startsWith('/v2/team/late/'))
  assert.equal(requests.length, rounds, JSON.stringify(requests))
  assert.equal(new Set(waiting.map(({ notBefore }) => notBefore)).size, 1)
  const words =
    /^The registry \S+ refuses more downloads for now \(status 429\)\. It is tried again in \d+ seconds?, and given up at .* UTC\.$/
  assert.match((await platform.jobs().why(ids[0] ?? '')).summary, words)
  const warnings = (await platform.jobs().events(ids[0] ?? '')).filter(({ reason }) => reason === 'Returned')
  assert.match(warnings[0]?.message ?? '', words)
  const wire = (await (await platform.fetch(`/skaha/v1/session/${ids[0]}`)).json()) as { status: string }
  assert.equal(wire.status, 'Pending')

  // The waiting jobs leave the whole machine free.
  const { job } = await platform.run('true', { cores: 2, memoryGb: 2 })
  assert.equal(job.state, 'succeeded')

  await platform.stop()
  delete way.answerInstead
  await platform.start()
  const ended = await platform.jobs().wait(ids, { signal: AbortSignal.timeout(120_000) })
  const [notBefore] = waiting.map((each) => each.notBefore ?? '')
  for (const { state, attempts } of ended) {
    assert.equal(state, 'succeeded')
    assert.deepEqual(
      attempts.slice(-2).map(({ cause }) => cause?.code),
      ['image-unreachable', 'exited'],
    )
    assert.ok((attempts.at(-1)?.placedAt ?? '') >= (notBefore ?? ''), 'the wait outlived the restart')
  }
})

test('a job whose image cannot be fetched fails at once, also when its registry was down before', async () => {
  way.answerInstead = () => ({ status: 503, headers: { 'retry-after': '1' } })
  const { ids } = await platform.jobs().submit({ ...replicas, image: 'r.test/team/none:1', replicas: 1 })
  await eventually('the job to wait', async () => (await platform.jobs().get(ids[0] ?? '')).notBefore)
  delete way.answerInstead
  assert.equal((await platform.ended(ids[0] ?? '')).cause?.code, 'image-not-found')
})
