import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { CommandFailure } from '../failure.ts'
import { platformName, requestFor, type Caller } from './request.ts'
import { pathWord, wrapperWords } from './wrapper.ts'

const caller: Caller = {
  folder: '/arc/projects/survey',
  host: 'login1',
  environment: { CANFAR_PBS_IMAGE: 'localhost/a:1' },
}
const plain = { resources: {}, exportsAll: false, variables: {}, isQuiet: false }
const script = { text: 'echo\n', name: 'fit.sh' }

test('a request without options: the image of the environment, the current folder, nothing else chosen', () => {
  const { args, ...request } = requestFor(script, plain, caller)
  assert.deepEqual(request, {
    name: 'fit-sh',
    image: 'localhost/a:1',
    cmd: 'sh',
    env: {
      PBS_ENVIRONMENT: 'PBS_BATCH',
      PBS_JOBNAME: 'fit.sh',
      PBS_QUEUE: 'batch',
      PBS_O_QUEUE: 'batch',
      PBS_O_HOST: 'login1',
      PBS_O_WORKDIR: '/arc/projects/survey',
    },
    workingDirectory: '/arc/projects/survey',
    labels: { pbs: 'fit.sh' },
  })
  assert.deepEqual(args?.slice(2), ['qsub', 'echo\n'])
  assert.doesNotMatch(args?.[1] ?? '', /file_of|PATH/)
})

test('files of -o and -e: relative to the folder, one for both with -j', () => {
  const wrapper = (options: object): string => requestFor(script, { ...plain, ...options }, caller).args?.[1] ?? ''
  assert.match(
    wrapper({ output: 'a.log', join: 'oe' }),
    /file_of \/arc\/projects\/survey\/a\.log OU .*exec >> "\$file" 2>&1/,
  )
  assert.match(wrapper({ output: 'a.log', error: '/arc/e.log', join: 'eo' }), /file_of \/arc\/e\.log OU .* 2>&1/)
  assert.match(wrapper({ output: 'a.log', error: 'e.log' }), /e\.log ER [^]*a\.log OU [^]*exec 2>> "\$errors"/)
  assert.match(wrapper({ output: '$HOME/a.log' }), /file_of "\$HOME"\/a\.log OU/)
})

test('-V: variables, and the folders of PATH below /arc, unless -v gives a PATH', () => {
  const environment = { ...caller.environment, PATH: '/bin:/arc/my env/bin', BAND: 'r' }
  const request = requestFor(
    script,
    { ...plain, exportsAll: true, variables: { BAND: 'g' } },
    { ...caller, environment },
  )
  assert.equal(request.env?.['BAND'], 'g')
  assert.match(request.args?.[1] ?? '', /^export PATH='\/arc\/my env\/bin':"\$PATH"$/m)
  const own = requestFor(script, { ...plain, exportsAll: true, variables: { PATH: '/x' } }, { ...caller, environment })
  assert.equal(own.env?.['PATH'], '/x')
  assert.doesNotMatch(own.args?.[1] ?? '', /export PATH/)
})

test('refused: no image, a folder that jobs do not see, and what is no text', () => {
  for (const [call, expected] of [
    [() => requestFor(script, plain, { ...caller, environment: {} }), /no image/],
    [() => requestFor(script, plain, { ...caller, folder: '/home/me' }), /called in \/home\/me/],
    [() => requestFor(script, { ...plain, folder: '../../../tmp' }, caller), /-d is '\.\.\/\.\.\/\.\.\/tmp'/],
    [() => requestFor({ text: '\u007fELF\0', name: 'x' }, plain, caller), /x is no text/],
    [() => requestFor({ text: 'x'.repeat(1_048_577), name: 'x' }, plain, caller), /x has 1048577 bytes/],
  ] as const)
    assert.throws(call, (error) => error instanceof CommandFailure && expected.test(error.message))
})

test('names of the platform', () => {
  for (const [name, expected] of [
    ['nf-square_(1)', 'nf-square-1'],
    ['STDIN', 'STDIN'],
    ['___', 'job'],
    ['é', 'job'],
    [`${'a'.repeat(62)}-b`, 'a'.repeat(62)],
  ] as const)
    assert.equal(platformName(name), expected)
})

test('the wrapper runs the script with its program, and replaces nothing but its variables', () => {
  const text = `${'😀'.repeat(40_000)}\n`
  const words = wrapperWords({
    script: text,
    interpreter: ['cat'],
    output: undefined,
    error: undefined,
    path: ['/arc/a b/bin'],
  })
  for (const word of words) assert.ok(Buffer.byteLength(word) < 131_072)
  const environment = { PATH: process.env['PATH'], skaha_sessionid: `test-${process.pid}` }
  const printed = execFileSync('sh', [...words], { env: environment, encoding: 'utf8' })
  assert.equal(printed, text)
  execFileSync('rm', [`/tmp/pbs-test-${process.pid}`])
  const echoed = (path: string): string =>
    execFileSync('sh', ['-c', `printf %s ${pathWord(path)}`], {
      env: { PBS_JOBID: 'a1', HOME: '/h m' },
      encoding: 'utf8',
    })
  assert.equal(echoed("$HOME/it's/${PBS_JOBID}.$(id)"), "/h m/it's/a1.$(id)")
  assert.equal(echoed('$PBS_JOBID2'), '$PBS_JOBID2')
})
