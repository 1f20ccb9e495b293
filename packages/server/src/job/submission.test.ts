import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JobRequest } from '@science-platform/contract'
import { quoteWord } from '@science-platform/contract/shell-words'
import { parseCommand } from './command.ts'
import { parseEnvironment, checkReserved, mergedEnvironment, platformEnvironment, reservedIn } from './environment.ts'
import { newJobId } from './ids.ts'
import { InvalidRequest } from './invalid.ts'
import { jobName, replicaName } from './name.ts'
import { contextOf } from './resources.ts'
import { jobsOf } from './submission.ts'

const context = contextOf({ cores: 16, memoryGb: 64, gpus: 1 }, 5)
const now = Date.parse('2026-11-23T08:00:00Z')
const ada = { name: 'ada', groups: [{ name: 'survey' }, { name: 'radio' }] }
const origin = { owner: ada, context, now, newId: newJobId }
const jobs = (request: Partial<JobRequest>) => [...jobsOf({ name: 'n', image: 'localhost/a:1', ...request }, origin)]
const job = (request: Partial<JobRequest>) => {
  const [only] = jobs(request)
  assert.ok(only)
  return only
}
const refused = (request: Partial<JobRequest>, field: string, message: RegExp) => {
  assert.throws(
    () => jobs(request),
    (error) => {
      assert.ok(error instanceof InvalidRequest)
      assert.equal(error.field, field)
      assert.match(error.message, message)
      assert.notEqual(error.hint, '')
      return true
    },
  )
}

test('cmd without args is split by shell rules, as in the batch guide', () => {
  assert.deepEqual(job({ cmd: 'python /arc/a.py "two words" \'$HOME\'' }).cmd, [
    'python',
    '/arc/a.py',
    'two words',
    '$HOME',
  ])
  assert.deepEqual(job({ cmd: 'sleep 60' }).cmd, ['sleep', '60'])
  assert.equal(job({ cmd: 'sleep 60' }).args, undefined)
  assert.equal(job({}).cmd, undefined)
})

test('cmd with args is one program; a list of args stays, a string is split', () => {
  assert.deepEqual(parseCommand('my program', ['a  b', '', '$x']), { cmd: ['my program'], args: ['a  b', '', '$x'] })
  assert.deepEqual(parseCommand('python', '/a.py -n "1 2"'), { cmd: ['python'], args: ['/a.py', '-n', '1 2'] })
  assert.deepEqual(parseCommand('python', "it's five o'clock"), { cmd: ['python'], args: ['its five oclock'] })
  assert.deepEqual(parseCommand('echo', "don't  stop"), { cmd: ['echo'], args: ["don't", 'stop'] })
  assert.deepEqual(parseCommand(undefined, ['x']), { args: ['x'] })
  assert.deepEqual(parseCommand('python -V', ''), { cmd: ['python', '-V'] })
})

test('quoted words are split into the same words', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string().filter((word) => !word.includes('\0')),
        { minLength: 1 },
      ),
      (words) => {
        assert.deepEqual(parseCommand('p', words.map(quoteWord).join(' ')).args, words)
      },
    ),
  )
})

test('environment values are kept: =, quotes, $, line breaks, and empty values', () => {
  const items = ['A=b=c', 'EMPTY=', 'Q="x" \'y\'', 'D=$HOME ${B} \\', 'L=one\ntwo', 'U=λ ☉']
  const env = { A: 'b=c', EMPTY: '', Q: '"x" \'y\'', D: '$HOME ${B} \\', L: 'one\ntwo', U: 'λ ☉' }
  assert.deepEqual(parseEnvironment(items), env)
  assert.deepEqual(job({ env }).env, { REPLICA_ID: '1', REPLICA_COUNT: '1', ...env })
  assert.throws(() => parseEnvironment(['NOVALUE']), InvalidRequest)
})

test('replicas are named and numbered from 1, and share an array', () => {
  const three = jobs({ name: 'Study', replicas: 3, env: { REPLICA_ID: 'mine' } })
  assert.deepEqual(
    three.map(({ name }) => name),
    ['study-1', 'study-2', 'study-3'],
  )
  assert.deepEqual(
    three.map(({ env }) => env),
    ['1', '2', '3'].map((id) => ({ REPLICA_ID: id, REPLICA_COUNT: '3' })),
  )
  assert.equal(new Set(three.map(({ arrayId }) => arrayId)).size, 1)
  assert.equal(new Set(three.map(({ id }) => id)).size, 3)
  assert.equal(job({}).arrayId, undefined)
  assert.equal(replicaName('x'.repeat(61), 9, 9), `${'x'.repeat(61)}-9`)
  refused({ name: 'x'.repeat(60), replicas: 1000 }, 'name', /-1000|exceed/)
})

test('requested resources are fixed, those left out are flexible', () => {
  assert.deepEqual(job({ cores: 4, memoryGb: 16 }).resources, {
    cores: { request: 4, limit: 4 },
    memoryGb: { request: 16, limit: 16 },
    gpus: 0,
    fixed: true,
  })
  assert.deepEqual(job({}).resources, {
    cores: { request: 1, limit: 8 },
    memoryGb: { request: 1, limit: 32 },
    gpus: 0,
    fixed: false,
  })
  assert.equal(job({ cores: 2 }).resources.fixed, false)
})

test('invalid fields are refused with the field and a hint', () => {
  refused({ name: 'my_job' }, 'name', /alpha-numeric.*"my_job"/)
  refused({ name: '-x' }, 'name', /start and end/)
  refused({ name: 'x'.repeat(64) }, 'name', /64 characters/)
  refused({ cmd: 'echo "x' }, 'cmd', /the quote " at character 6 is not closed; it was "echo \\"x"/)
  refused({ cmd: "a $'\\xff'" }, 'cmd', /the escape \\xff at character 5/)
  refused({ args: "$'\\xff'" }, 'args', /the escape \\xff at character 3/)
  refused({ cmd: '   ' }, 'cmd', /no program/)
  refused({ cmd: 'a', args: ['x\0y'] }, 'args', /NUL/)
  refused({ args: ['x'.repeat(1_000_000)] }, 'args', /1000000 bytes/)
  refused({ env: { '1A': 'x' } }, 'env', /"1A"/)
  refused({ env: { A: 'x\0' } }, 'env', /NUL/)
  refused({ env: { A: 'x'.repeat(140_000) } }, 'env', /140000 bytes/)
  refused({ cores: 17 }, 'cores', /17.*16/)
  refused({ memoryGb: 65 }, 'memoryGb', /65.*64/)
  refused({ gpus: 2 }, 'gpus', /2.*1/)
  assert.throws(
    () => jobName('my_job'),
    (error: InvalidRequest) => error.hint === 'Use a name such as my-job.',
  )
})

test('start time and wish are stored as instants', () => {
  const asked = job({
    when: 'off-peak',
    after: '2026-11-23T18:00:00-08:00',
    by: '2026-11-25T08:00Z',
    timeSeconds: 3600,
    signal: 'USR1@120',
  })
  assert.equal(asked.when, 'off-peak')
  assert.equal(asked.after, Date.parse('2026-11-24T02:00:00Z'))
  assert.equal(asked.by, Date.parse('2026-11-25T08:00:00Z'))
  assert.deepEqual(asked.signal, { name: 'USR1', secondsBefore: 120 })
  assert.equal(asked.timeIsAsked, true)
  const plain = job({ when: 'any' })
  for (const key of ['when', 'after', 'by', 'signal', 'timeIsAsked'] as const) assert.equal(plain[key], undefined, key)
  assert.equal(job({ after: '2026-11-23T07:59:30Z' }).after, now - 30_000, 'clocks differ a little')
})

test('invalid times are refused', () => {
  refused({ after: '2026-11-24T18:00:00' }, 'after', /does not say its time zone/)
  refused({ after: '2026-11-24' }, 'after', /does not say its time zone/)
  refused({ after: 'tonight' }, 'after', /"tonight".*not an instant/)
  refused({ after: '2026-02-30T00:00Z' }, 'after', /not an instant/)
  refused({ after: '2026-11-24T18:00+99:00' }, 'after', /not an instant/)
  refused({ after: '2026-11-22T18:00Z' }, 'after', /is in the past; now is 2026-11-23T08:00:00Z/)
  refused({ after: '2036-11-22T18:00Z' }, 'after', /more than 366 days ahead/)
  refused({ by: '2026-11-23T08:00Z' }, 'by', /is in the past/)
  refused({ after: '2026-11-25T00:00Z', by: '2026-11-24T23:00Z' }, 'by', /not later than after/)
  refused({ signal: 'KILL@120', timeSeconds: 600 }, 'signal', /"KILL@120"/)
  refused({ signal: 'USR1', timeSeconds: 600 }, 'signal', /"USR1"/)
  refused({ signal: 'USR1@120' }, 'signal', /no time limit of its own/)
  refused({ signal: 'USR1@600', timeSeconds: 600 }, 'signal', /the time limit is 600 seconds/)
})

test('a job is charged to the requested group, else to the only group of its owner', () => {
  const groupOf = (groups: readonly string[], group?: string) =>
    jobsOf(
      { name: 'n', image: 'localhost/a:1', ...(group === undefined ? {} : { group }) },
      { ...origin, owner: { name: 'ada', groups: groups.map((name) => ({ name })) } },
    ).next().value?.group
  assert.equal(groupOf(['survey', 'radio'], 'radio'), 'radio')
  assert.equal(groupOf(['survey', 'radio']), undefined)
  assert.equal(groupOf(['survey']), 'survey')
  assert.equal(groupOf([]), undefined)
  refused({ group: 'optical' }, 'group', /ada is in survey, radio/)
  assert.throws(() => groupOf([], 'survey'), /ada is in no group/)
})

test('the platform sets variables of a job', () => {
  const env = platformEnvironment({
    id: 'abcdefgh',
    owner: 'ada',
    hostname: 'study-1',
    home: '/arc/home/ada',
    attempt: 1,
    resources: job({ cores: 4 }).resources,
  })
  assert.deepEqual(env, {
    skaha_hostname: 'study-1',
    skaha_username: 'ada',
    skaha_sessionid: 'abcdefgh',
    HOME: '/arc/home/ada',
    PWD: '/arc/home/ada',
    USER: 'ada',
    LOGNAME: 'ada',
    OMP_NUM_THREADS: '4',
    CANFAR_ATTEMPT: '1',
  })
})

test('the number of threads of the user wins, and nothing else of what the platform sets', () => {
  const platform = { HOME: '/arc/home/ada', OMP_NUM_THREADS: '4' }
  assert.deepEqual(mergedEnvironment({ OMP_NUM_THREADS: '1', HOME: '/tmp', A: 'b' }, platform), {
    A: 'b',
    HOME: '/arc/home/ada',
    OMP_NUM_THREADS: '1',
  })
  assert.deepEqual(mergedEnvironment({ A: 'b' }, platform), { A: 'b', ...platform })
})

test('variables that the platform sets are refused by name', () => {
  checkReserved({ OMP_NUM_THREADS: '1', CANFAR_TOKEN: 'mine', REPLICA_ID: '7' }, false)
  assert.throws(() => checkReserved({ HOME: '/tmp' }, false), /env has HOME: the platform sets it/)
  assert.throws(
    () => checkReserved({ A: 'b', USER: 'x', HOME: '' }, false),
    /env has HOME, USER: the platform sets them/,
  )
  assert.throws(() => checkReserved({ CANFAR_TOKEN: 'mine' }, true), /CANFAR_TOKEN/)
  assert.deepEqual(reservedIn({ PWD: '/', HOME2: '' }, true), ['PWD'])
})

test('ids have the form of the wire and do not repeat', () => {
  const ids = Array.from({ length: 1000 }, () => newJobId())
  assert.equal(new Set(ids).size, 1000)
  for (const id of ids) assert.match(id, /^[a-z][a-z0-9]{7}$/)
})
