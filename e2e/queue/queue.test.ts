import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, afterEach, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Job, JobRequest, Why } from '@science-platform/contract'
import { eventually, Platform, testImage } from '../support/platform.ts'
import { isEnded } from '@science-platform/contract/states'
import { waitsFor as waitsForOf } from '../support/waits-for.ts'

const run = promisify(execFile)
const canfar = fileURLToPath(new URL('../../bin/canfar', import.meta.url))

let platform: Platform
let bob: string
let root: string

before(async () => {
  platform = await Platform.make(
    'capacity: {cores: 4, memoryGb: 8}\nqueue: {backfill: {reserveAfterSeconds: 0}, halfLifeHours: 0.02, classes: {small: {cores: 1, memoryGb: 1}, large: {cores: 3, memoryGb: 6}}}\n',
  )
  await platform.admin('user', 'add', 'bob')
  bob = await platform.admin('token', 'create', 'bob')
  await platform.admin('user', 'add', 'chief', '--admin')
  root = await platform.admin('token', 'create', 'chief', '--scope', 'read,submit,manage,admin')
  await platform.start()
})
afterEach(async () => {
  for (const jobs of [platform.jobs(), platform.jobs(bob)]) {
    const ids: string[] = []
    for await (const { id } of jobs.listAll({ state: 'held,queued,starting,running,stopping' })) ids.push(id)
    for (const id of ids) await jobs.cancel(id)
    await jobs.wait(ids)
  }
  await platform.admin('limit', 'clear', 'user', 'ada').catch(() => undefined)
})
after(() => platform[Symbol.asyncDispose]())

/** Submits a shell line for a user. */
async function submit(line: string, request: Partial<JobRequest> = {}, token = platform.token): Promise<string> {
  const asked = { name: 'test', image: testImage, cmd: 'sh', args: ['-c', line], ...request }
  const { ids } = await platform.jobs(token).submit(asked)
  return ids[0] ?? assert.fail()
}
const why = (id: string, token = platform.token): Promise<Why> => platform.jobs(token).why(id)
const waitsFor = (id: string, kind: string, token = platform.token): Promise<Why> =>
  waitsForOf(platform.jobs(token), id, kind)
const cancel = async (...ids: string[]): Promise<void> => {
  for (const id of ids) await platform.jobs(root).cancel(id)
  for (const id of ids) await platform.jobs(root).wait(id)
}
/** Submits a job that occupies the whole machine until it is cancelled. */
const fill = async (): Promise<string> => {
  const id = await submit('sleep 600', { name: 'filler', cores: 4, memoryGb: 1, timeSeconds: 900 })
  await platform.becomes(id, 'running')
  return id
}
const startOf = (job: Job): number => Date.parse(job.startedAt ?? assert.fail(`${job.name} has not started`))

test('a small job starts before a large one that was submitted first', async () => {
  const filler = await fill()
  const large = await submit('true', { name: 'large', cores: 4, memoryGb: 8 })
  const small = await submit('sleep 1', { name: 'small', cores: 1, memoryGb: 1 })
  const [told, behind] = [await waitsFor(small, 'reservation'), await waitsFor(large, 'resources|reservation')]
  assert.match(told.summary, /It is next: 1 core and 1 GiB of memory are reserved for it on /)
  assert.deepEqual([told.waiting, told.ahead?.jobs, behind.ahead?.jobs], [2, 0, 1])
  assert.deepEqual([told.priority?.class, behind.priority?.class], ['small', 'large'])
  await cancel(filler)
  const [first, second] = [await platform.ended(small), await platform.ended(large)]
  assert.ok(startOf(first) < startOf(second), `${first.startedAt} before ${second.startedAt}`)
})

test('of two users the one with lower charges starts first', async () => {
  const filler = await fill()
  const hers = await submit('true', { name: 'hers', cores: 4, memoryGb: 1 })
  const his = await submit('true', { name: 'his', cores: 4, memoryGb: 1 }, bob)
  const [asHer, asHim] = [await why(hers), await why(his, bob)]
  const share = (told: Why): number => told.priority?.terms.find(({ name }) => name === 'groupShare')?.points ?? 0
  assert.ok(share(asHim) > share(asHer), `${share(asHim)} > ${share(asHer)}`)
  assert.equal(asHim.ahead?.jobs, 0, 'she has used the platform just now, he has not')
  assert.equal(asHer.ahead?.jobs, 1)
  assert.ok(!JSON.stringify(asHer).includes('bob') && !JSON.stringify(asHer).includes('his'))
  await cancel(filler)
  const [her, him] = [await platform.ended(hers), (await platform.jobs(bob).wait(his))[0] ?? assert.fail()]
  assert.ok(startOf(him) <= startOf(her), `${him.startedAt} before ${her.startedAt}`)
})

test('limits take effect at once: a job waits for its limit, others pass it, a higher limit starts it; a job that could never start is refused', async () => {
  await platform.admin('limit', 'set', 'user', 'ada', '--cores', '1', '--queued', '3')
  assert.match(await platform.admin('limit', 'list'), /user +ada +cores 1, queued 3/)
  await eventually('the limit to be known', async () => {
    const { holders } = await platform.jobs().queue()
    return holders[0]?.limits.cores === 1
  })
  const first = await submit('sleep 600', { name: 'first', cores: 1, memoryGb: 1 })
  await platform.becomes(first, 'running')
  const second = await submit('sleep 600', { name: 'second', cores: 1, memoryGb: 1 })
  const told = await waitsFor(second, 'limit')
  assert.deepEqual(told.reason?.limit, { holder: 'user', name: 'ada', on: 'cores', limit: 1, held: 1, asks: 1 })
  assert.match(told.summary, /It waits for its owner's limit: 1 of 1 core is allocated, and it asks for 1/)
  const his = await submit('true', { cores: 1, memoryGb: 1 }, bob)
  assert.equal((await platform.jobs(bob).wait(his))[0]?.state, 'succeeded', 'nobody waits for the limit of another')

  await assert.rejects(submit('true', { cores: 2 }), /cores is 2, but ada may hold at most 1 cores at once/)
  await assert.rejects(submit('true', { cores: 1, replicas: 3 }), /1 jobs of ada wait already; with 3 more/)

  const answer = await fetch(`${platform.url}/api/v1/limits/user/ada`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${root}`, 'content-type': 'application/json' },
    body: JSON.stringify({ limits: { cores: 2 } }),
  })
  assert.equal(answer.status, 200, await answer.text())
  await platform.becomes(second, 'running')
  await platform.admin('limit', 'set', 'user', 'ada', '--running', '1', '--cores', 'none')
  const third = await submit('true', { cores: 1, memoryGb: 1 })
  await eventually('lowered below what runs it starts no more', async () =>
    (await why(third)).summary.includes('2 jobs run, and 1 may at once'),
  )
  const states = (await Promise.all([first, second].map((id) => platform.jobs().get(id)))).map(({ state }) => state)
  assert.deepEqual(states, ['running', 'running'], 'and ends nothing')
  await platform.admin('limit', 'clear', 'user', 'ada')
  assert.equal((await platform.ended(third)).state, 'succeeded')
})

test('a short job is backfilled before a reservation, and a job that might delay it waits', async () => {
  const running = await submit('sleep 600', { name: 'running', cores: 2, memoryGb: 1, timeSeconds: 300 })
  await platform.becomes(running, 'running')
  const large = await submit('true', { name: 'large', cores: 4, memoryGb: 1 })
  const reserved = await waitsFor(large, 'reservation')
  assert.match(reserved.summary, /It is next: 4 cores and 1 GiB of memory are reserved for it on /)
  const until = Date.parse(reserved.reason?.until ?? '') - Date.now()
  assert.ok(until > 200_000 && until < 310_000, `reserved in ${until} ms, when what runs ends at the latest`)
  const long = await submit('sleep 600', { name: 'long', cores: 2, memoryGb: 6, timeSeconds: 86_400 })
  const refused = await waitsFor(long, 'backfill')
  assert.match(refused.summary, /With a shorter `--time` it may start sooner/)
  const counterfactual = refused.sooner.find(({ change }) => change.timeSeconds !== undefined)
  assert.ok(counterfactual, JSON.stringify(refused.sooner))
  const timeSeconds = counterfactual.change.timeSeconds ?? 0
  const short = await submit('sleep 600', { name: 'short', cores: 2, memoryGb: 6, timeSeconds })
  await eventually('what was told to come true', async () => (await platform.jobs().get(short)).state === 'running')
  await cancel(running, long, short)
  assert.equal((await platform.ended(large)).state, 'succeeded')
})

test('a job with past runs is backfilled, one without waits; and forecasts are scored', async () => {
  const line = 'sleep 0.3; true'
  for (let i = 0; i < 5; i++) await platform.run(line, { name: 'known', cores: 1, memoryGb: 1 })
  const running = await submit('sleep 600', { name: 'running', cores: 2, memoryGb: 1, timeSeconds: 300 })
  await platform.becomes(running, 'running')
  const large = await submit('true', { name: 'large', cores: 4, memoryGb: 1 })
  await waitsFor(large, 'reservation')
  const { told } = (await platform.jobs().queue()).scores.start
  // At their time limits both would delay the large job.
  const gap = { cores: 2, memoryGb: 6, timeSeconds: 7200 }
  const unknown = await submit('exec sleep 0.3', { name: 'unknown', ...gap })
  await waitsFor(unknown, 'backfill')
  const known = await submit(line, { name: 'known', ...gap })
  assert.equal((await platform.ended(known)).state, 'succeeded')
  assert.equal((await platform.jobs().get(unknown)).state, 'queued')
  await cancel(running, unknown)
  await platform.ended(large)
  const { scores } = await platform.jobs().queue()
  assert.ok(scores.start.told > told, 'what was told of the large job has come')
  assert.ok(scores.run.told > 0)
  const { stdout } = await run(canfar, ['queue'], { env: await platform.userEnvironment() })
  assert.match(stdout, /^Estimates +\d+ starts? in 30 days: \d+ as estimated/m)
})

test('--after and --by: the job starts no earlier, and why shows whether it will end in time', async () => {
  const at = Date.now() + 6_000
  const later = await submit('true', {
    name: 'later',
    after: new Date(at).toISOString(),
    by: new Date(at + 60_000).toISOString(),
  })
  const told = await waitsFor(later, 'not-before')
  assert.equal(told.reason?.until, new Date(at).toISOString())
  assert.match(told.summary, /It was submitted with a start time: it does not start before 2\d\d\d-/)
  assert.ok(
    told.sooner.some(({ change }) => change.after === null),
    'without it, it would start now',
  )
  assert.ok(told.deadline)
  const job = await platform.ended(later)
  assert.ok(startOf(job) >= at, `${job.startedAt} is not before ${new Date(at).toISOString()}`)
})

test('--by: of a user’s alike jobs the one with a wished end starts before one that was submitted first', async () => {
  const filler = await fill()
  const asked = { cores: 4, memoryGb: 1, timeSeconds: 60 }
  const older = await submit('true', { name: 'older', ...asked })
  const urgent = await submit('true', { name: 'urgent', ...asked, by: new Date(Date.now() + 600_000).toISOString() })
  const [told, behind] = [await why(urgent), await why(older)]
  assert.deepEqual([told.ahead?.jobs, behind.ahead?.jobs], [0, 1])
  assert.ok(told.deadline)
  await cancel(filler)
  const [first, second] = [await platform.ended(urgent), await platform.ended(older)]
  assert.ok(startOf(first) < startOf(second), `${first.startedAt} before ${second.startedAt}`)
})

test('advice uses past runs, was tried with the planner, and comes true', async () => {
  for (let i = 0; i < 3; i++) await platform.run('sleep 0.2; exit 0', { name: 'past', cores: 1, memoryGb: 1 })
  const holder = await submit('sleep 600', { name: 'holder', cores: 1, memoryGb: 5, timeSeconds: 600 })
  await platform.becomes(holder, 'running')
  const id = await submit('sleep 0.2; exit 0', { name: 'past', cores: 1, memoryGb: 4 })
  const told = await waitsFor(id, 'reservation')
  assert.equal(told.expectedRun?.runs, 3)
  const [sooner] = told.sooner
  assert.match(
    sooner?.message ?? '',
    /^With 3 GiB of memory it would start now; its last 3 runs peaked at 0\.\d GiB\.$/,
  )
  assert.ok(told.expectedStart)
  const { memoryGb = 0 } = sooner?.change ?? {}
  const { job } = await platform.run('sleep 0.2; exit 0', { name: 'past', cores: 1, memoryGb })
  assert.equal(job.state, 'succeeded')
  assert.equal((await platform.jobs().get(id)).state, 'queued', 'the other still waits')
})

test('a batch is found and cancelled by its label, also where the server is killed in between', async () => {
  const asked = {
    image: testImage,
    cmd: 'sleep',
    args: ['600'],
    memoryGb: 1,
    timeSeconds: 900,
    labels: { run: 'batch' },
  }
  const requests = Array.from({ length: 200 }, (_, i) => ({ ...asked, name: `batch-${i}`, cores: 1 + (i % 2) }))
  const { ids } = await platform.jobs().submitBatch(requests)
  const other = await submit('sleep 600', { name: 'other', timeSeconds: 900 })
  const env = await platform.userEnvironment()
  const { stdout } = await run(canfar, ['ps', '--label', 'run=batch', '--json'], { env })
  assert.deepEqual(new Set((JSON.parse(stdout) as { id: string }[]).map(({ id }) => id)), new Set(ids))
  await platform.becomes(ids[0] ?? '', 'running')
  const interrupted = platform
    .jobs()
    .cancelMany({ label: 'run=batch' })
    .catch(() => undefined)
  await eventually('a job of the batch to be cancelled', async () => {
    const { jobs } = await platform.jobs().list({ state: 'cancelled', label: 'run=batch', limit: 1, fields: ['id'] })
    return jobs.length > 0
  })
  await platform.stop('SIGKILL')
  await platform.start()
  const repeated = await run(canfar, ['cancel', '--label', 'run=batch', '--yes'], { env })
  assert.match(repeated.stdout, /Cancelled \d+ jobs? with the label run=batch|No job with the label run=batch/)
  const states = (await platform.jobs().wait(ids)).map(({ state }) => state)
  assert.deepEqual(new Set(states), new Set(['cancelled']))
  assert.equal(isEnded((await platform.jobs().get(other)).state), false, 'another job goes on')
  await interrupted
})

test('canfar prints why and queue in 80 columns, and as JSON', async () => {
  const filler = await fill()
  const id = await submit('true', { name: 'asked', cores: 1, memoryGb: 1 })
  await waitsFor(id, 'reservation')
  const env = await platform.userEnvironment()
  const { stdout } = await run(canfar, ['why', id], { env })
  for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line)
  assert.match(stdout, new RegExp(`^Job +${id}$`, 'm'))
  assert.match(stdout, /^Why +It /m)
  assert.match(stdout, /^Ahead +no job, of 1 waiting job$/m)
  assert.match(stdout, /^Expected start +in .*\(2\d\d\d-/m)
  assert.match(stdout, /^ {2}size +12\.0 \(a small job\)$/m)
  const [told] = JSON.parse((await run(canfar, ['why', id, '--json'], { env })).stdout) as Why[]
  assert.equal(told?.id, id)
  const queue = (await run(canfar, ['queue'], { env })).stdout
  for (const line of queue.split('\n')) assert.ok(line.length <= 80, line)
  assert.match(queue, /^Free +0 of 4 cores, /m)
  assert.match(queue, /^On one node +0 cores and 7 GiB$/m)
  assert.match(queue, /^Waiting +1 job: 1 small, 0 normal, 0 large$/m)
  assert.match(queue, /^user ada +4 /m)
  const events = await (await platform.fetch(`/skaha/v1/session/${id}?view=events`)).text()
  assert.match(events, /Normal +Queued +/)
  assert.match(events, /Waiting +It is next: 1 core and 1 GiB of memory/, 'the events tell what it waits for now')
  await assert.rejects(why(id, bob), /does not exist/)
  await cancel(filler)
  await platform.ended(id)
})
