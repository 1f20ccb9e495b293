import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { listenForScrapes } from '../../commands/listen-for-scrapes.ts'
import { freePort } from '../../lib/free-port.ts'
import { createMetrics } from '../../metrics/metrics.ts'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()
const metrics = async (): Promise<string> => {
  const answer = await t.as('root', { url: '/metrics' })
  assert.equal(answer.statusCode, 200)
  assert.match(String(answer.headers['content-type']), /^text\/plain; version=0\.0\.4/)
  return answer.body
}
/** The value of a series; 0 where the series is absent. */
const value = (text: string, series: string): number =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')
      .at(-1) ?? 0,
  )

describe('metrics', () => {
  it('count and time requests by route, method and status', async () => {
    const series = 'science_platform_http_requests_total{route="/api/v1/jobs/:id",method="GET",status="404"}'
    const before = value(await metrics(), series)
    await t.as('ada', { url: '/api/v1/jobs/zzzzzzzz' })
    await t.as('ada', { url: '/api/v1/jobs/yyyyyyyy' })
    const text = await metrics()
    assert.equal(value(text, series), before + 2)
    assert.ok(value(text, 'science_platform_http_request_seconds_count{route="/api/v1/jobs/:id",method="GET"}') >= 2)
  })

  it('count jobs by state', async () => {
    const running = await t.submit('ada')
    await t.submit('ada')
    await t.run(running)
    const text = await metrics()
    assert.equal(value(text, 'science_platform_jobs{state="queued"}'), 1)
    assert.equal(value(text, 'science_platform_jobs{state="running"}'), 1)
    assert.equal(value(text, 'science_platform_jobs{state="held"}'), 0)
  })

  it('report registries that cannot be listed, and the disk usage of images', async () => {
    const text = await metrics()
    assert.equal(value(text, 'science_platform_registry_fault{registry="images.canfar.net"}'), 1)
    assert.equal(value(text, 'science_platform_registry_images{registry="images.canfar.net"}'), 2)
    assert.equal(value(text, 'science_platform_image_store_bytes'), 0)
  })

  it('report process statistics', async () => {
    const text = await metrics()
    assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m)
    assert.match(text, /^process_resident_memory_bytes \d+/m)
  })

  it('have no label values from requests: names, ids or addresses', async () => {
    // Not those of Node: timers and sockets of the moment are series there.
    const series = async () =>
      (await metrics())
        .split('\n')
        .filter((line) => line.startsWith('science_platform_'))
        .map((line) => line.replace(/ \S+$/, ''))
    const request = async (i: number) => {
      await t.app.inject({ method: 'GET', url: `/nothing-${i}` })
      await t.as('ada', { url: `/api/v1/nothing-${i}` })
      await t.as('ada', { url: `/api/v1/jobs/a000000${i % 10}` })
    }
    await request(0)
    const before = await series()
    for (let i = 1; i < 50; i++) await request(i)
    assert.deepEqual(await series(), before)
    assert.doesNotMatch(await metrics(), /ada|nothing|a000000/)
  })

  it('require an administrator token', async () => {
    assert.equal((await t.as('ada', { url: '/metrics' })).statusCode, 403)
    assert.equal((await t.app.inject('/metrics')).statusCode, 401)
  })
})

describe('platform metrics', () => {
  const none = { inside: 0, early: 0, late: 0 }
  const watched = {
    jobsByState: async () => new Map(),
    auditFault: () => true,
    estimateScores: async () => ({ start: { ...none, inside: 8 }, run: none }),
    registries: () => [],
    imageBytes: async () => 0,
    unrecordedAttempts: () => 3,
  }

  it('cover placements, ends by cause, commits, cycles and image pulls', async () => {
    const of = createMetrics(watched)
    const before = await t.store.logHead()
    const id = await t.submit('bob')
    await t.run(id)
    await t.finish(id, 3)
    of.changes(await t.store.changesAfter(before, 1_000))
    of.commit(0.003)
    of.cycle(0.002, 'done')
    of.cycle(0.2, 'failed')
    of.event({ attemptId: 'a0000000-1', at: 1_000, reason: 'Pulling' })
    of.event({ attemptId: 'a0000000-1', at: 4_000, reason: 'Pulled' })
    of.event({ attemptId: 'b0000000-1', at: 4_000, reason: 'Pulled' })
    const text = await of.text()
    assert.equal(value(text, 'science_platform_placements_total'), 1)
    assert.equal(value(text, 'science_platform_jobs_ended_total{cause="exited"}'), 1)
    assert.equal(value(text, 'science_platform_store_commit_seconds_count'), 1)
    assert.equal(value(text, 'science_platform_loop_cycle_seconds_count{outcome="failed"}'), 1)
    assert.equal(value(text, 'science_platform_image_fetch_seconds_sum'), 3)
    assert.equal(value(text, 'science_platform_image_fetch_seconds_count'), 1)
    assert.equal(value(text, 'science_platform_audit_fault'), 1)
    assert.equal(value(text, 'science_platform_unrecorded_attempts'), 3)
    assert.equal(value(text, 'science_platform_estimates{what="start",outcome="inside"}'), 8)
  })

  it('are served on a separate address without a token, which serves nothing else', async () => {
    const port = await freePort('127.0.0.1')
    const close = await listenForScrapes(createMetrics(watched), { host: '127.0.0.1', port })
    try {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
      assert.equal(answer.status, 200)
      assert.match(await answer.text(), /^science_platform_audit_fault 1$/m)
      assert.equal((await fetch(`http://127.0.0.1:${port}/api/v1/jobs`)).status, 404)
      assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })).status, 404)
    } finally {
      await close()
    }
  })
})
