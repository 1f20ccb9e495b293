import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import type { Jobs } from '@science-platform/client'
import type { JobRequest, Why } from '@science-platform/contract'
import { eventually, Platform, testImage } from '../support/platform.ts'

let platform: Platform
let filler: string
const people: Record<string, Jobs> = {}

/** The half-life of charges in seconds. */
const halfLife = 8
/** The advantage of a small job over a large one, in seconds of waiting. */
const head = 6

before(async () => {
  platform = await Platform.make(
    [
      'capacity: {cores: 4, memoryGb: 8}',
      'queue:',
      `  halfLifeHours: ${halfLife / 3600}`,
      '  classes: {small: {cores: 1, memoryGb: 1}, large: {cores: 3, memoryGb: 6}}',
      `  points: {class: {small: ${head / 3600}, normal: 0, large: 0}, groupShare: 0, userShare: 0, deadline: 0}`,
      '',
    ].join('\n'),
  )
  for (const [name, group] of [
    ['bob', 'sky'],
    ['dov', 'survey'],
    ['chief', 'staff'],
  ] as const)
    // prettier-ignore
    await platform.admin('user', 'add', name, '--group', group)
  for (const name of ['ada', 'bob', 'dov', 'chief']) tokens[name] = await platform.admin('token', 'create', name)
  await start()
})
afterEach(makeRoom)
after(() => platform[Symbol.asyncDispose]())

const tokens: Record<string, string> = {}
async function start(): Promise<void> {
  await platform.start()
  for (const [name, token] of Object.entries(tokens)) people[name] = platform.jobs(token)
}
const as = (name: string): Jobs => people[name] ?? assert.fail()
async function submit(name: string, line: string, request: Partial<JobRequest> = {}): Promise<string> {
  const asked = { name: 'test', image: testImage, cmd: 'sh', args: ['-c', line], cores: 4, memoryGb: 1, ...request }
  return (await as(name).submit(asked)).ids[0] ?? assert.fail()
}
/** A user with charges who is not part of the comparisons. */
async function fill(): Promise<void> {
  filler = await submit('chief', 'sleep 600')
  await eventually('the filler to run', async () => (await as('chief').get(filler)).state === 'running')
}
async function makeRoom(): Promise<void> {
  await as('chief').cancel(filler)
}
async function startOf(name: string, id: string): Promise<number> {
  const [job] = await as(name).wait([id])
  assert.equal(job?.state, 'succeeded')
  return Date.parse(job.startedAt ?? '')
}
const points = (told: Why, term: string): number =>
  told.priority?.terms.find(({ name }) => name === term)?.points ?? assert.fail(`no ${term}`)

test('a large job that has waited starts before a new small one; equal jobs start in the order of submission', async () => {
  await fill()
  const large = await submit('ada', 'true')
  const next = await submit('ada', 'true')
  await eventually('it to have waited', async () => {
    const submittedAt = Date.parse((await as('ada').get(large)).submittedAt)
    return Date.now() > submittedAt + 1000 * (head + 2)
  })
  const small = await submit('bob', 'true', { cores: 1 })
  const behind = await as('bob').why(small)
  assert.equal(behind.priority?.class, 'small')
  assert.equal(behind.ahead?.jobs, 1, 'one of two that are alike: those behind the first have not waited yet')
  assert.deepEqual([(await as('ada').why(large)).ahead?.jobs, (await as('ada').why(next)).ahead?.jobs], [0, 2])
  await makeRoom()
  const [first, second, third] = [await startOf('ada', large), await startOf('bob', small), await startOf('ada', next)]
  assert.ok(first < second && second <= third, `${first} < ${second} <= ${third}`)
})

/** Restarts the platform with points for shares, and with weights. */
async function restart(
  points: number,
  weights: readonly (readonly [kind: string, name: string, weight: string])[] = [],
) {
  await platform.stop()
  platform.set('SCIENCE_PLATFORM_QUEUE_POINTS_GROUP_SHARE', `${points}`)
  platform.set('SCIENCE_PLATFORM_QUEUE_POINTS_USER_SHARE', `${points}`)
  for (const [kind, name, weight] of weights) await platform.admin('limit', 'set', kind, name, '--weight', weight)
  await start()
}

test('shares: groups are ordered by their charges, users of a group by theirs, and charges decay', async () => {
  await restart(12)
  const past = await submit('ada', 'sleep 600')
  await eventually('ada to have used something', async () => {
    const { startedAt } = await as('ada').get(past)
    return startedAt !== undefined && Date.now() > Date.parse(startedAt) + 4000
  })
  await as('ada').cancel(past)
  await as('ada').wait([past])

  await fill()
  const hers = await submit('ada', 'true')
  const colleague = await submit('dov', 'true')
  const his = await submit('bob', 'true')
  const [ada, dov, bob] = [await as('ada').why(hers), await as('dov').why(colleague), await as('bob').why(his)]
  assert.deepEqual([bob.ahead?.jobs, dov.ahead?.jobs, ada.ahead?.jobs], [0, 1, 2], JSON.stringify([ada, dov, bob]))
  assert.ok(points(bob, 'groupShare') > 11.9)
  assert.ok(points(dov, 'groupShare') < 8, 'she has used it for both')
  assert.ok(points(dov, 'userShare') > 11.9, 'he himself has not')
  assert.ok(points(ada, 'userShare') < 8)

  const usedAt = async (): Promise<[number, number]> => {
    const { holders } = await as('ada').queue()
    return [holders[0]?.coreHours ?? 0, Date.now()]
  }
  const [used, then] = await usedAt()
  await eventually('the charge to decay', async () => (await usedAt())[0] < 0.6 * used)
  assert.ok(points(await as('ada').why(hers), 'userShare') > points(ada, 'userShare'))
  const [left, now] = await usedAt()
  const expected = used * 2 ** (-(now - then) / (halfLife * 1000))
  assert.ok(Math.abs(left - expected) < 0.05 * used, `${used} became ${left}, expected ${expected}`)

  await makeRoom()
  const [first, second, third] = [
    await startOf('bob', his),
    await startOf('dov', colleague),
    await startOf('ada', hers),
  ]
  assert.ok(first < second && second < third, `${first} < ${second} < ${third}`)
})

test('weights: of groups and users with equal charges, the one with the larger weight starts first', async () => {
  await restart(12, [
    ['group', 'survey', '9'],
    ['user', 'dov', '9'],
  ])
  // The two users of survey together have the charge of bob in sky.
  const past = [
    ['ada', await submit('ada', 'sleep 600', { cores: 1 })],
    ['dov', await submit('dov', 'sleep 600', { cores: 1 })],
    ['bob', await submit('bob', 'sleep 600', { cores: 2 })],
  ] as const
  await eventually('them to have used something', async () => {
    const jobs = await Promise.all(past.map(([name, id]) => as(name).get(id)))
    return jobs.every(({ startedAt }) => startedAt !== undefined && Date.now() > Date.parse(startedAt) + 3000)
  })
  for (const [name, id] of past) await as(name).cancel(id)
  for (const [name, id] of past) await as(name).wait([id])

  await fill()
  const jobs = { bob: await submit('bob', 'true'), ada: await submit('ada', 'true'), dov: await submit('dov', 'true') }
  const [bob, ada, dov] = [await as('bob').why(jobs.bob), await as('ada').why(jobs.ada), await as('dov').why(jobs.dov)]
  assert.deepEqual([dov.ahead?.jobs, ada.ahead?.jobs, bob.ahead?.jobs], [0, 1, 2], JSON.stringify([ada, dov, bob]))
  assert.ok(points(ada, 'groupShare') > points(bob, 'groupShare'), 'survey has the larger part')
  assert.ok(points(dov, 'userShare') > points(ada, 'userShare'), 'and he the larger one of it')
  await makeRoom()
  const [first, second, third] = [
    await startOf('dov', jobs.dov),
    await startOf('ada', jobs.ada),
    await startOf('bob', jobs.bob),
  ]
  assert.ok(first < second && second < third, `${first} < ${second} < ${third}`)
})

test('with equal priority the earlier submission starts first', async () => {
  await restart(0)
  await fill()
  // Both ages are counted from the same instant.
  const after = new Date(Date.now() + 2000).toISOString()
  const his = await submit('bob', 'true', { after })
  const hers = await submit('ada', 'true', { after })
  await eventually('both to wait', async () => Date.now() > Date.parse(after))
  const [first, second] = [await as('bob').why(his), await as('ada').why(hers)]
  assert.deepEqual([first.ahead?.jobs, second.ahead?.jobs], [0, 1])
  await makeRoom()
  const [bobs, adas] = [await startOf('bob', his), await startOf('ada', hers)]
  assert.ok(bobs < adas, `${bobs} < ${adas}`)
})
