import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandFailure } from '../failure.ts'
import { sessionRequestFrom, submissionFrom, type Submission, type SubmissionOptions } from './submission.ts'

const image = 'images.canfar.net/skaha/astroml:latest'
const from = (options: SubmissionOptions, positionals: string[] = [], command: string[] = []): Submission =>
  submissionFrom(options, positionals, command, 'k3x9')

test('the options of the batch guide', () => {
  const options = {
    name: 'test-small',
    cores: '2',
    ram: '4',
    image,
    kind: 'headless',
    cmd: 'python /arc/projects/x.py',
  }
  assert.deepEqual(from(options), {
    kind: 'headless',
    request: { name: 'test-small', image, cmd: 'python /arc/projects/x.py', cores: 2, memoryGb: 4 },
  })
})

test('the published syntax, with the command exactly as typed', () => {
  const command = ['sh', '-c', 'echo "a  b"; ls $HOME', '']
  assert.deepEqual(
    from(
      { cpu: '4', memory: '16', gpu: '1', env: ['A=b=c d', 'E='], replicas: '3' },
      ['headless', 'skaha/astroml'],
      command,
    ),
    {
      kind: 'headless',
      request: {
        name: 'astroml-k3x9',
        image,
        cmd: 'sh',
        args: ['-c', 'echo "a  b"; ls $HOME', ''],
        env: { A: 'b=c d', E: '' },
        cores: 4,
        memoryGb: 16,
        gpus: 1,
        replicas: 3,
      },
    },
  )
})

test('the kind may be left out, and the command may come without --', () => {
  assert.equal(from({}, ['skaha/astroml', 'python', 'a.py']).request.cmd, 'python')
  assert.equal(from({}, ['notebook', 'skaha/astroml']).kind, 'notebook')
  assert.equal(from({ image }, ['headless']).request.image, image)
  assert.equal(from({ image }, [], ['nproc']).request.cmd, 'nproc')
})

test('a command of one word replaces the arguments of the image too', () => {
  assert.deepEqual(from({}, [image], ['/opt/my program']).request.args, [])
  assert.equal(from({}, [image]).request.cmd, undefined)
})

test('words after --cmd become its arguments', () => {
  const { request } = from({ image, cmd: 'python "my script.py"' }, [], ['-n', 'two words'])
  assert.deepEqual([request.cmd, request.args], ['python', ['my script.py', '-n', 'two words']])
  assert.equal(from({ image, cmd: 'python', args: '-n 1' }).request.args, '-n 1')
})

test('a time limit, a grace period and a network', () => {
  const { request } = from({ image, time: '2d', grace: '90', network: 'none' })
  assert.deepEqual([request.timeSeconds, request.graceSeconds, request.network], [172_800, 90, 'none'])
})

const refused: [string, SubmissionOptions, string[], RegExp][] = [
  ['no image', {}, ['headless'], /no image was given/],
  ['an unknown kind', {}, ['headles', 'skaha/astroml'], /'headles' is not a kind of session/],
  ['an unknown kind in --kind', { image, kind: 'batch' }, [], /'batch' is not a kind/],
  ['a fraction of a core', { image, cpu: '1.5' }, [], /--cpu is '1.5'/],
  ['no cores', { image, cores: '0' }, [], /--cores is '0'/],
  ['memory with a unit', { image, memory: '16G' }, [], /--memory is '16G'/],
  ['too many replicas', { image, replicas: '10001' }, [], /--replicas is '10001'/],
  ['a variable without value', { image, env: ['FOO'] }, [], /--env is 'FOO'/],
  ['a time limit without a number', { image, time: 'soon' }, [], /--time is 'soon'/],
  [
    'a quote that is not closed',
    { image, cmd: "echo don't" },
    ['c'],
    /--cmd is 'echo don't': the quote ' at character 9/,
  ],
  ['a command without a program', { image, cmd: ' ' }, ['c'], /--cmd is ' ' and names no program/],
  ['arguments given twice', { image, cmd: 'a', args: 'b' }, ['c'], /given twice/],
]
for (const [what, options, positionals, message] of refused)
  test(`${what} is refused with a hint`, () => {
    assert.throws(
      () => from(options, positionals),
      (error) => error instanceof CommandFailure && message.test(error.message) && error.hint !== undefined,
    )
  })

test('for another server the CLI splits a command of several words, because the reference server does not', () => {
  const request = sessionRequestFrom(from({ name: 'n', image, cmd: `sh -c 'echo "hi there"'`, ram: '4' }))
  assert.deepEqual(request, { name: 'n', image, kind: 'headless', cmd: 'sh', args: `-c 'echo "hi there"'`, ram: 4 })
  assert.deepEqual(sessionRequestFrom(from({ name: 'n', image, cmd: 'ls', args: '-l' })).args, '-l')
  assert.equal(sessionRequestFrom(from({ image, cmd: `'/opt/my program'` })).cmd, '/opt/my program')
  assert.equal(sessionRequestFrom(from({ image }, [], [`don't split`])).cmd, `don't split`)
  assert.throws(
    () => sessionRequestFrom(from({ image, cmd: `echo don't` })),
    /the quote ' at character 9 is not closed/,
  )
})

test('options that another server does not have are refused', () => {
  assert.throws(() => sessionRequestFrom(from({ image, time: '1h' })), /--time is not available on this server/)
  assert.throws(() => sessionRequestFrom(from({ image, workdir: '/arc' })), /--workdir is not available on this server/)
})

test('options for the queue', () => {
  const now = Temporal.ZonedDateTime.from('2026-11-24T15:00:00-08:00[America/Los_Angeles]')
  const options = {
    when: 'off-peak',
    after: '18:00',
    by: '2d',
    group: 'survey',
    gpuKind: 'a100',
    workdir: '/arc/projects/survey',
    time: '1h',
    signal: 'USR1@60',
  }
  const { request } = submissionFrom(options, ['headless', 'skaha/astroml'], [], 'k3x9', now)
  assert.deepEqual(request, {
    name: 'astroml-k3x9',
    image,
    timeSeconds: 3600,
    signal: 'USR1@60',
    when: 'off-peak',
    after: '2026-11-25T02:00:00Z',
    by: '2026-11-26T23:00:00Z',
    group: 'survey',
    gpuKind: 'a100',
    workingDirectory: '/arc/projects/survey',
  })
  for (const option of [{ when: 'off-peak' }, { group: 'survey' }, { by: '2d' }])
    assert.throws(() => sessionRequestFrom(from(option, [image])), /is not available on this server/)
})
