import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  recordingServer,
  type Recorded,
  type RecordingServer,
  type Reply,
} from '@science-platform/client/testing/recording-server'
import { parse } from 'yaml'
import { splitWords } from '@science-platform/contract/shell-words'
import { runCanfar, runShell, startCanfar, type Ran } from './testing/run-canfar.ts'

const cleanups: (() => Promise<void>)[] = []
after(async () => {
  for (const cleanup of cleanups) await cleanup()
})

async function temporaryHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'canfar-'))
  cleanups.push(() => rm(home, { recursive: true }))
  return home
}

type Answer = (request: Recorded, response: ServerResponse) => Reply | Promise<Reply>

/** A server, and canfar told of it by the environment. */
async function platform(answer: Answer): Promise<{
  canfar: (...words: string[]) => Promise<Ran>
  start: (...words: string[]) => ReturnType<typeof startCanfar>
  shell: (line: string) => Promise<Ran>
  server: RecordingServer
}> {
  const server = await recordingServer(answer)
  cleanups.push(() => server.close())
  const home = await temporaryHome()
  const environment = { CANFAR_URL: `${server.url}/skaha/v1`, CANFAR_TOKEN: 't' }
  return {
    canfar: (...words) => runCanfar(home, words, { environment }),
    start: (...words) => startCanfar(home, words, environment),
    shell: (line) => runShell(home, line, environment),
    server,
  }
}

const session = (id: string, status: string, more: object = {}): object => ({
  id,
  name: `name-of-${id}`,
  type: 'headless',
  status,
  image: 'images.canfar.net/skaha/astroml:latest',
  connectURL: '',
  isFixedResources: true,
  ...more,
})

const job = (id: string, state: string, more: object = {}): object => ({
  id,
  name: `name-of-${id}`,
  state,
  image: 'localhost/x:1',
  env: {},
  resources: { cores: { request: 1, limit: 1 }, memoryGb: { request: 4, limit: 4 }, gpus: 0, fixed: true },
  submittedAt: '2026-11-23T08:00:00.000Z',
  startedAt: '2026-11-23T08:00:01.000Z',
  endedAt: '2026-11-23T08:02:06.000Z',
  attempts: [],
  ...more,
})

/** This platform's own server, with one answer for each route of the test. */
const own =
  (routes: Record<string, Answer | Reply>): Answer =>
  (request, response) => {
    if (request.url === '/api/v1/openapi.json') return { body: { openapi: '3.1.0' } }
    const path = `${request.method} ${request.url.split('?')[0]}`
    const found = routes[path]
    return typeof found === 'function' ? found(request, response) : (found ?? { status: 404, body: `no ${path}` })
  }

/** Another skaha server, which has no API of ours. */
const foreign =
  (answer: Answer): Answer =>
  (request, response) =>
    request.url.startsWith('/api/') ? { status: 404, body: 'not found' } : answer(request, response)

// The lines of the batch guide, spec/batch-jobs.md, as they stand there.
const guide: [line: string, expected: object][] = [
  [
    'canfar create --name "data-reduction-job" --image "images.canfar.net/skaha/astroml:latest" --cores 4 --ram 16 --cmd "python /arc/projects/myproject/scripts/reduce_data.py"',
    {
      name: 'data-reduction-job',
      cores: 4,
      memoryGb: 16,
      cmd: 'python /arc/projects/myproject/scripts/reduce_data.py',
    },
  ],
  [
    'canfar create --name "nightly-reduction-20261123" --image "images.canfar.net/skaha/casa:6.5" --cores 8 --ram 32 --cmd "python /arc/projects/survey/pipelines/reduce_night.py /arc/projects/survey/data/20261123"',
    { name: 'nightly-reduction-20261123', image: 'images.canfar.net/skaha/casa:6.5', cores: 8, memoryGb: 32 },
  ],
  [
    'canfar create --name "test-small" --cores 2 --ram 4 --image "images.canfar.net/skaha/astroml:latest" --kind "headless" --cmd "python /arc/projects/myproject/test_script.py"',
    { name: 'test-small', image: 'images.canfar.net/skaha/astroml:latest', cores: 2, memoryGb: 4 },
  ],
]
for (const [line, expected] of guide)
  test(`the batch guide: ${line.slice(0, 50)}…`, async () => {
    const { canfar, server } = await platform(
      own({ 'POST /api/v1/jobs': { status: 201, body: { ids: ['k3x9a0qz'] } } }),
    )
    const split = splitWords(line)
    assert.ok('words' in split)
    const { code, stdout } = await canfar(...split.words.slice(1))
    assert.equal(code, 0)
    assert.match(stdout, /^Successfully created session '.*' \(ID: k3x9a0qz\)\n$/)
    const sent = JSON.parse(server.requests.at(-1)?.body ?? '') as Record<string, unknown>
    assert.deepEqual({ ...sent, ...expected }, sent)
  })

test('labels: create sends them, ps and wait find jobs by them, info shows them', async () => {
  const labels = { run: '7', step: 'a=b' }
  const jobs = [job('a1', 'succeeded', { labels, exitCode: 0, kind: 'headless' }), job('b2', 'running', { labels })]
  const { canfar, server } = await platform(
    own({
      'POST /api/v1/jobs': { status: 201, body: { ids: ['a1'] } },
      'GET /api/v1/jobs': ({ url }) => ({ body: { jobs: url.includes('run%3D7') ? jobs : [] } }),
      'GET /api/v1/jobs/a1': { body: jobs[0] ?? {} },
      'GET /api/v1/jobs/b2': { body: job('b2', 'failed', { exitCode: 3 }) },
      'POST /api/v1/jobs/wait': ({ body }) => ({
        body: { ended: (JSON.parse(body) as { ids: string[] }).ids.map((id) => ({ id })), unknown: [] },
      }),
    }),
  )
  assert.equal((await canfar('create', 'x', '--label', 'run=7', '--label', 'step=a=b')).code, 0)
  assert.deepEqual((JSON.parse(server.requests.at(-1)?.body ?? '') as { labels: object }).labels, labels)
  const listed = await canfar('ps', '--all', '--label', 'run=7', '--json')
  assert.deepEqual(
    (JSON.parse(listed.stdout) as { id: string; status: string; labels: object }[]).map((each) => [
      each.id,
      each.status,
      each.labels,
    ]),
    [
      ['a1', 'Completed', labels],
      ['b2', 'Running', labels],
    ],
  )
  assert.match(server.requests.at(-1)?.url ?? '', /state=held%2Cqueued.*fields=id%2Cname.*label=run%3D7/)
  await canfar('ps', '--status', 'Succeeded', '--label', 'run')
  assert.match(server.requests.at(-1)?.url ?? '', /state=succeeded&fields=.*&label=run&/)
  const waited = await canfar('wait', '--label', 'run=7')
  assert.equal(waited.code, 3, waited.stderr)
  assert.match(waited.stdout, /a1 .* succeeded[^]*b2 .* failed/)
  assert.match((await canfar('info', 'a1')).stdout, /^Labels +run=7\n +step=a=b$/m)
  const none = await canfar('wait', '--label', 'run=8')
  assert.equal(none.code, 3)
  assert.match(none.stderr, /no job of yours has the label run=8\nfix: /)
  for (const words of [['wait'], ['wait', 'a1', '--label', 'run'], ['create', 'x', '--label', 'run']])
    assert.equal((await canfar(...words)).code, 2, words.join(' '))
})

test('labels on a server that lacks them are refused in plain words, and nothing is listed in their place', async () => {
  const problem = (part: string, field: string): Reply => ({
    status: 400,
    body: {
      type: 'urn:science-platform:problem:invalid-request',
      title: 'The request does not fit the schema',
      status: 400,
      detail: `the ${part} has an unknown key "${field}"`,
      field,
    },
  })
  const before = await platform(
    own({ 'POST /api/v1/jobs': problem('body', 'labels'), 'GET /api/v1/jobs': problem('query', 'label') }),
  )
  const elsewhere = await platform(foreign(() => ({ body: [session('a1', 'Running')] })))
  for (const words of [
    ['create', 'x', '--label', 'a=b'],
    ['ps', '--label', 'a'],
    ['wait', '--label', 'a'],
    ['cancel', '--label', 'a', '--yes'],
  ])
    for (const { canfar } of [before, elsewhere]) {
      const { code, stdout, stderr } = await canfar(...words)
      assert.deepEqual([code, stdout], [2, ''])
      assert.match(
        stderr,
        /(--label is not available on this server|this server does not know --label).*\nfix: leave --label out/,
      )
    }
})

test('cancel --label and --prefix say how many, ask on a terminal alone, and cancel in one request', async () => {
  const counts = { cancelled: 2, ended: 0, unknown: 0 }
  const { canfar, server } = await platform(
    own({
      'POST /api/v1/jobs/cancel': ({ body }) => {
        const isNone = body.includes('none')
        return {
          body: {
            cancelled: isNone ? [] : ['a1', 'b2'],
            ended: [],
            unknown: [],
            counts: isNone ? { ...counts, cancelled: 0 } : counts,
          },
        }
      },
    }),
  )
  const sent = () =>
    server.requests.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body) as object)
  const refused = await canfar('cancel', '--label', 'run=7')
  assert.deepEqual([refused.code, refused.stdout, sent()], [1, '', []])
  assert.match(refused.stderr, /no terminal to ask on: cancel the jobs with the label run=7\?\nfix: add --yes/)
  const cancelled = await canfar('cancel', '--label', 'run=7', '--yes')
  assert.deepEqual([cancelled.code, cancelled.stdout], [0, 'Cancelled 2 jobs with the label run=7.\n'])
  const dry = await canfar('delete', '--prefix', 'night-', '--owner', 'bob', '--dry-run')
  assert.equal(dry.stdout, 'a1\nb2\nWould cancel 2 jobs of bob whose name begins with night-.\n')
  const none = await canfar('cancel', '--prefix', 'none', '-y')
  assert.deepEqual([none.code, none.stdout], [0, 'No job whose name begins with none waits or runs.\n'])
  assert.deepEqual(sent(), [{ label: 'run=7' }, { prefix: 'night-', owner: 'bob', dryRun: true }, { prefix: 'none' }])
  const printed = await canfar('cancel', '--label', 'run', '--yes', '--json')
  assert.deepEqual((JSON.parse(printed.stdout) as { counts: object }).counts, counts)
  for (const words of [
    [],
    ['a1', '--label', 'run'],
    ['--label', 'run', '--prefix', 'night'],
    ['a1', '--owner', 'bob'],
    ['a1', '--dry-run'],
  ])
    assert.equal((await canfar('cancel', ...words)).code, 2, words.join(' '))
})

test('cancel --label on a terminal cancels after a yes, and nothing after anything else', async () => {
  const counts = { cancelled: 2, ended: 0, unknown: 0 }
  const { shell, server } = await platform(
    own({ 'POST /api/v1/jobs/cancel': { body: { cancelled: ['a1', 'b2'], ended: [], unknown: [], counts } } }),
  )
  const sent = () =>
    server.requests.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body) as object)
  const typed = (answer: string) =>
    shell(`printf '${answer}\\n' | script -qec '"$NODE" "$MAIN" cancel --label run=7' /dev/null`)
  const no = await typed('n')
  assert.match(no.stdout, /Cancel 2 jobs with the label run=7\? \[y\/N\] /)
  assert.match(no.stdout, /nothing was cancelled/)
  assert.deepEqual(sent(), [{ label: 'run=7', dryRun: true }])
  assert.match((await typed('y')).stdout, /Cancelled 2 jobs with the label run=7\./)
  assert.deepEqual(sent().slice(1), [{ label: 'run=7', dryRun: true }, { label: 'run=7' }])
})

test('create --file submits the requests of a file or of stdin in one request, and prints the ids', async () => {
  const { canfar, shell, server } = await platform(
    own({
      'POST /api/v1/jobs/batch': ({ body }) => ({
        status: 201,
        body: { ids: (JSON.parse(body) as { jobs: object[] }).jobs.map((_, i) => `id${i}`) },
      }),
      'POST /api/v1/jobs/wait': { body: { ended: [{ id: 'id0' }], unknown: [] } },
      'GET /api/v1/jobs/id0': { body: job('id0', 'failed', { exitCode: 4 }) },
    }),
  )
  const folder = await temporaryHome()
  const [a, b] = [
    { name: 'a', image: 'skaha/x', cores: 1 },
    { name: 'b', image: 'localhost/x:1', labels: { run: '7' } },
  ]
  const full = [{ ...a, image: 'images.canfar.net/skaha/x:latest' }, b]
  const sent = () => (JSON.parse(server.requests.at(-1)?.body ?? '') as { jobs: object[] }).jobs
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, text)
    return path
  }
  for (const text of [
    `${JSON.stringify(a)}\n\n${JSON.stringify(b)}\n`,
    JSON.stringify([a, b], null, 2),
    JSON.stringify({ jobs: [a, b] }),
  ]) {
    const ran = await canfar('create', '--file', await file('jobs', text), '--idempotency-key', 'k')
    assert.deepEqual([ran.code, ran.stdout], [0, 'Successfully created 2 jobs:\n  - id0\n  - id1\n'], ran.stderr)
    assert.deepEqual(sent(), full)
    assert.equal(server.requests.at(-1)?.headers['idempotency-key'], 'k')
  }
  const piped = await shell(`echo '${JSON.stringify(b)}' | canfar create --file - --quiet`)
  assert.deepEqual([piped.stdout, sent()], ['id0\n', [b]])
  const waited = await canfar('create', '--file', await file('one', JSON.stringify(b)), '--wait')
  assert.equal(waited.code, 4)
  assert.match(waited.stdout, /^Successfully created 1 job \(ID: id0\)\nid0 .* failed/)
  const count = server.requests.length
  const dry = await canfar('create', '--file', await file('jobs', JSON.stringify([a])), '--dry-run', '--json')
  assert.deepEqual(JSON.parse(dry.stdout), [full[0]])
  for (const [text, message] of [
    ['', /has no request/],
    ['[]', /has no request/],
    [`${JSON.stringify(a)}\n{"name": }\n`, /line 2 of .* is not JSON/],
    ['[1]', /request 1 of .* is 1/],
    [JSON.stringify(Array.from({ length: 1_001 }, () => a)), /has 1001 requests\nfix: submit at most 1000/],
  ] as const) {
    const ran = await canfar('create', '--file', await file('bad', text))
    assert.equal(ran.code, 2)
    assert.match(ran.stderr, message)
  }
  for (const words of [['skaha/x'], ['--name', 'x'], ['--follow'], ['--gpu-kind', 'a100'], ['--', 'true']]) {
    const ran = await canfar('create', '--file', await file('jobs', JSON.stringify([a])), ...words)
    assert.equal(ran.code, 2, words.join(' '))
    assert.match(ran.stderr, /stands beside --file/)
  }
  assert.equal((await canfar('create', '--file', join(folder, 'nothing'))).code, 1)
  assert.equal(server.requests.length, count, 'nothing was sent')
})

test('requests on many jobs on a server that lacks them are refused in plain words', async () => {
  const before = await platform(
    own({
      'POST /api/v1/jobs/cancel': { status: 404, body: 'not found' },
      'POST /api/v1/jobs/batch': { status: 405, body: 'not allowed' },
    }),
  )
  const elsewhere = await platform(foreign(() => ({ body: [] })))
  for (const { shell } of [before, elsewhere]) {
    const file = await shell(`echo '{"name": "a", "image": "x/y"}' | canfar create --file -`)
    assert.deepEqual([file.code, file.stdout], [2, ''])
    assert.match(file.stderr, /this server does not know --file\nfix: leave --file out/)
    const prefix = await shell('canfar cancel --prefix night --yes')
    assert.equal(prefix.code, 2)
    assert.match(prefix.stderr, /this server does not know --prefix\nfix: leave --prefix out/)
  }
})

test('create sends the words after -- unchanged, and --json prints the ids', async () => {
  const { canfar, server } = await platform(own({ 'POST /api/v1/jobs': { status: 201, body: { ids: ['a1', 'b2'] } } }))
  const { code, stdout } = await canfar(
    'create',
    'headless',
    'skaha/x',
    '-r',
    '2',
    '-e',
    'A=b=c',
    '--json',
    '--',
    'sh',
    '-c',
    'echo "a  b"',
    '--json',
    '',
  )
  assert.equal(code, 0)
  assert.deepEqual(JSON.parse(stdout), ['a1', 'b2'])
  const { cmd, args, env, replicas } = JSON.parse(server.requests.at(-1)?.body ?? '') as Record<string, unknown>
  assert.deepEqual([cmd, args, env, replicas], ['sh', ['-c', 'echo "a  b"', '--json', ''], { A: 'b=c' }, 2])
})

test('create falls back to the skaha wire on another server', async () => {
  const { canfar, server } = await platform(foreign(() => ({ body: 'k3x9a0qz\n' })))
  const { code, stdout } = await canfar('create', '--name', 'n', '--image', 'skaha/x', '--cmd', 'python /a.py -n 1')
  assert.deepEqual([code, stdout], [0, "Successfully created session 'n' (ID: k3x9a0qz)\n"])
  assert.equal(
    server.requests.at(-1)?.url,
    '/skaha/v1/session?name=n&image=images.canfar.net%2Fskaha%2Fx%3Alatest&type=headless&cmd=python&args=%2Fa.py+-n+1&env=REPLICA_ID%3D1&env=REPLICA_COUNT%3D1',
  )
  const refused = await canfar('create', 'headless', 'skaha/x', '--time', '1h')
  assert.equal(refused.code, 2)
})

test('replicas that another server refuses are named, with the ids of the others', async () => {
  const { canfar } = await platform(
    foreign(({ url }) => (url.includes('name=n-2&') ? { status: 400, body: 'no more' } : { body: 'made' })),
  )
  const { code, stdout, stderr } = await canfar('create', 'headless', 'skaha/x', '-n', 'n', '-r', '3')
  assert.equal(code, 6)
  assert.match(stdout, /created 2 sessions/)
  assert.match(stderr, /^canfar: n-2: no more\nfix: /)
})

/** The answers of a server on which these jobs have ended. */
const ended = (...jobs: readonly object[]) => ({
  ...Object.fromEntries(jobs.map((one) => [`GET /api/v1/jobs/${(one as { id: string }).id}`, { body: one }])),
  'POST /api/v1/jobs/wait': ({ body }: Recorded): Reply => {
    const { ids } = JSON.parse(body) as { ids: string[] }
    return { body: { ended: ids.map((id) => ({ id })), unknown: [] } }
  },
})

test('create --wait exits with the exit code of the job and prints why it failed', async () => {
  const cause = { code: 'out-of-memory', message: 'It needed more than its limit of 4 GiB.', hint: 'Ask for 8.' }
  const { canfar } = await platform(
    own({
      'POST /api/v1/jobs': { status: 201, body: { ids: ['a1'] } },
      ...ended(job('a1', 'failed', { exitCode: 137, cause })),
    }),
  )
  const { code, stdout } = await canfar('create', 'headless', 'skaha/x', '-n', 'n', '--wait', '--', 'x')
  assert.equal(code, 137)
  assert.equal(
    stdout,
    [
      "Successfully created session 'n' (ID: a1)",
      'a1 (name-of-a1) failed after 2 min 5 s, exit code 137: It needed more than its limit of 4 GiB.',
      'fix: Ask for 8.',
      'see: docs/troubleshooting.md#out-of-memory\n',
    ].join('\n'),
  )
})

test('create --follow leaves stdout to the job', async () => {
  const { canfar } = await platform(
    own({
      'POST /api/v1/jobs': { status: 201, body: { ids: ['a1'] } },
      ...ended(job('a1', 'succeeded', { exitCode: 0 })),
      'GET /api/v1/jobs/a1/logs': ({ headers }) =>
        headers['range'] === undefined ? { body: 'hello\n' } : { status: 206 },
    }),
  )
  const { code, stdout, stderr } = await canfar('create', 'headless', 'skaha/x', '-n', 'n', '--follow', '--', 'x')
  assert.deepEqual([code, stdout], [0, 'hello\n'])
  assert.match(stderr, /created session 'n'[^]*succeeded after 2 min 5 s, exit code 0/)
})

test('create --wait interrupted says that the job continues', async () => {
  const { start } = await platform(
    own({ 'POST /api/v1/jobs': { status: 201, body: { ids: ['a1'] } }, 'POST /api/v1/jobs/wait': () => undefined }),
  )
  const running = start('create', 'headless', 'skaha/x', '--wait')
  await running.said('ID: a1')
  running.child.kill('SIGINT')
  const { code, stderr } = await running.ended
  assert.equal(code, 130)
  assert.equal(
    stderr,
    'canfar: interrupted; job a1 continues\nfix: follow with canfar logs -f a1, end with canfar cancel a1\n',
  )
})

test('create interrupted before the server answers prints the ids all the same', async () => {
  let asked: () => void = () => undefined
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve
  })
  let release: () => void = () => undefined
  const isReleased = new Promise<void>((resolve) => {
    release = resolve
  })
  const { start } = await platform(
    own({
      'POST /api/v1/jobs': async () => {
        asked()
        await isReleased
        return { status: 201, body: { ids: ['a1', 'b2'] } }
      },
    }),
  )
  const running = start('create', 'headless', 'skaha/x', '-r', '2', '-v')
  await isAsked
  running.child.kill('SIGINT')
  await running.said('waiting for the answer')
  release()
  const { code, stdout, stderr } = await running.ended
  assert.equal(code, 130)
  assert.match(stdout, /created 2 sessions[^]*a1[^]*b2/)
  assert.match(stderr, /interrupted; 2 jobs continue: a1 b2/)
})

test('ps lists waiting and running sessions, and fits 80 columns', async () => {
  const started = new Date(Date.now() - 125_000).toISOString()
  const { canfar, server } = await platform(({ url }) => ({
    body: url.includes('status=Pending')
      ? [
          session('aaaaaaaa', 'Pending', { name: 'a-name-that-is-really-far-too-long-for-a-table' }),
          session('bbbbbbbb', 'Pending'),
        ]
      : [session('bbbbbbbb', 'Running', { startTime: started })],
  }))
  const { code, stdout } = await canfar('ps')
  assert.equal(code, 0)
  assert.deepEqual(
    server.requests.map(({ url }) => url),
    ['/skaha/v1/session?status=Pending', '/skaha/v1/session?status=Running'],
  )
  assert.equal(
    // A machine under load may take a second or more to get here.
    stdout.replace(/2 min \d+ s ago/, '2 min 5 s ago'),
    [
      'ID        NAME                    STATUS   STARTED        IMAGE',
      'bbbbbbbb  name-of-bbbbbbbb        Running  2 min 5 s ago  …/skaha/astroml:latest',
      'aaaaaaaa  a-name-that-is-really…  Pending                 …/skaha/astroml:latest',
      '',
    ].join('\n'),
    stdout,
  )
  assert.ok(stdout.split('\n').every((line) => line.length <= 80))
  assert.equal((await canfar('ps', '-q')).stdout, 'bbbbbbbb\naaaaaaaa\n')
  const listed = JSON.parse((await canfar('ps', '--json')).stdout) as { id: string; startTime?: string }[]
  assert.deepEqual(
    listed.map(({ id }) => id),
    ['bbbbbbbb', 'aaaaaaaa'],
  )
  assert.equal(listed[0]?.startTime, started)
})

test('info shows requests and usage, and everything as JSON', async () => {
  const usage = { cpuSeconds: 120, memoryPeakBytes: 4 * 1024 ** 3, residentPeakBytes: 2 * 1024 ** 3, readBytes: 1024 }
  const { canfar } = await platform(
    own({
      'GET /api/v1/jobs/a1': { body: job('a1', 'succeeded', { exitCode: 0, usage, cmd: ['sh'], args: ['-c', 'a b'] }) },
      'GET /skaha/v1/session/a1': { body: session('a1', 'Completed', { exitCode: 0 }) },
    }),
  )
  const { stdout } = await canfar('info', 'a1')
  for (const line of [
    'State      succeeded',
    "Command    sh -c 'a b'",
    'Cores      asked 1, CPU time 2 min',
    'Memory     asked 4 GiB, needed at most 2.00 GiB (50 %), at most 4.00 GiB (100 %)',
    '           with page cache',
    'Disk       read 1.00 KiB, written not measured',
    'Ended      2026-11-23 08:02:06 UTC (ran 2 min 5 s)',
  ])
    assert.ok(stdout.includes(`${line}\n`), stdout)
  const [described] = JSON.parse((await canfar('info', 'a1', '--json')).stdout) as [
    { status: string; job: { state: string } },
  ]
  assert.deepEqual([described.status, described.job.state], ['Completed', 'succeeded'])
})

test('info of several jobs shows those that exist and exits with 3 for the others', async () => {
  const problem = {
    type: 'urn:science-platform:problem:job-not-found',
    title: 'T',
    status: 404,
    detail: 'No job b2.',
    hint: 'H',
  }
  const { canfar } = await platform(
    own({
      'GET /api/v1/jobs/a1': { body: job('a1', 'running') },
      'GET /api/v1/jobs/b2': { status: 404, body: problem },
    }),
  )
  const { code, stdout, stderr } = await canfar('info', 'b2', 'a1')
  assert.equal(code, 3)
  assert.match(stdout, /^Job +a1$/m)
  assert.equal(stderr, 'canfar: No job b2.\nfix: H\n')
  const asJson = await canfar('info', 'b2', '--json')
  assert.deepEqual(JSON.parse(asJson.stderr), { code: 'server.job-not-found', message: 'No job b2.', hint: 'H' })
})

test('logs are the bytes of the job, of any value', async () => {
  const { start } = await platform(
    own({
      'GET /api/v1/jobs/a1/logs': (_, response) => {
        response.end(Buffer.from([0xff, 0x00, 0x1b, 0x5b, 0x0a]))
        return undefined
      },
    }),
  )
  const { child, ended } = start('logs', 'a1')
  const parts: Buffer[] = []
  child.stdout?.removeAllListeners('data')
  child.stdout?.setEncoding('latin1')
  child.stdout?.on('data', (part: string) => parts.push(Buffer.from(part, 'latin1')))
  await ended
  assert.deepEqual(Buffer.concat(parts), Buffer.from([0xff, 0x00, 0x1b, 0x5b, 0x0a]))
})

test('logs -f on another server shows each byte once and ends with the session', async () => {
  let looks = 0
  const { canfar } = await platform(
    foreign(({ url }) => {
      if (url.includes('view=logs')) return { body: 'one\ntwo\n'.slice(0, looks * 4) }
      looks += 1
      return { body: session('a1', looks < 2 ? 'Running' : 'Completed') }
    }),
  )
  assert.deepEqual(await canfar('logs', '-f', 'a1'), { code: 0, stdout: 'one\ntwo\n', stderr: '' })
})

/** A log of ten bytes of which the middle four are missing; with marks, as other clients read it, a line stands there. */
const gappedLog: Answer = ({ url, headers }) => {
  if (!url.includes('marks=0')) return { body: 'abc\n[… 4 bytes left out …]\nxyz' }
  const from = Number(/bytes=(\d+)-/.exec(headers['range'] ?? '')?.[1] ?? 0)
  const facts = { 'log-attempt': '1', 'log-size': '10', 'log-lost': '0' }
  return from < 3
    ? { status: 200, headers: { ...facts, 'log-start': '0' }, body: 'abc' }
    : {
        status: from < 10 ? 206 : 204,
        headers: { ...facts, 'log-start': '7' },
        body: 'xyz'.slice(Math.max(0, from - 7)),
      }
}

test('where bytes of a log are missing stdout has the others alone, stderr says how many, and the exit code is 74', async () => {
  const { canfar } = await platform(
    own({
      'POST /api/v1/jobs': { status: 201, body: { ids: ['a1'] } },
      ...ended(job('a1', 'succeeded', { exitCode: 0, attempts: [{}] })),
      'GET /api/v1/jobs/a1/logs': gappedLog,
    }),
  )
  const create = ['create', 'headless', 'skaha/x', '-n', 'n', '--follow', '--', 'x']
  for (const words of [['logs', '-f', 'a1'], ['logs', 'a1'], create]) {
    const { code, stdout, stderr } = await canfar(...words)
    assert.deepEqual([code, stdout], [74, 'abcxyz'], words.join(' '))
    assert.match(stderr, /canfar: 4 bytes of the output of a1 are missing[^]*\nfix: .*\/arc/)
  }
  const { code, stdout, stderr } = await canfar('logs', 'a1', '--json')
  assert.deepEqual([code, JSON.parse(stdout)], [74, { a1: 'abcxyz' }])
  assert.match(stderr, /4 bytes/)
})

test('a job that failed keeps its exit code where bytes of its log are missing', async () => {
  const { canfar } = await platform(
    own({
      'POST /api/v1/jobs': { status: 201, body: { ids: ['a1'] } },
      ...ended(job('a1', 'failed', { exitCode: 3, attempts: [{}] })),
      'GET /api/v1/jobs/a1/logs': gappedLog,
    }),
  )
  const { code, stderr } = await canfar('create', 'headless', 'skaha/x', '-n', 'n', '--follow', '--', 'x')
  assert.equal(code, 3)
  assert.match(stderr, /4 bytes of the output of a1 are missing/)
})

test('progress bars of two jobs that are followed at once show their state while they are drawn', async () => {
  const drawn: Answer = (_, response) => {
    response.writeHead(200)
    response.write('\r 10%\r 20%')
    return undefined
  }
  const { start } = await platform(own({ 'GET /api/v1/jobs/a1/logs': drawn, 'GET /api/v1/jobs/b2/logs': drawn }))
  const { child, ended, said } = start('logs', '-f', 'a1', 'b2')
  await said('a1 |  20%\n')
  await said('b2 |  20%\n')
  child.kill()
  assert.doesNotMatch((await ended).stdout, /10%/)
})

test('create --wait and wait of a script that fails show the last lines of its log', async () => {
  const { canfar, server } = await platform(
    own({
      'POST /api/v1/jobs': { status: 201, body: { ids: ['a1'] } },
      ...ended(job('a1', 'failed', { exitCode: 2, cause: { code: 'exited', message: 'It exited with 2.' } })),
      'GET /api/v1/jobs/a1/logs': { status: 206, body: "Traceback\nKeyError: 'ra'\n" },
    }),
  )
  const wanted = [
    'a1 (name-of-a1) failed after 2 min 5 s, exit code 2',
    'see: docs/troubleshooting.md#exited',
    '  | Traceback',
    "  | KeyError: 'ra'",
    '  canfar logs a1 prints all of its output\n',
  ].join('\n')
  const created = await canfar('create', 'headless', 'skaha/x', '-n', 'n', '-w', '--', 'x')
  assert.deepEqual([created.code, created.stdout], [2, `Successfully created session 'n' (ID: a1)\n${wanted}`])
  assert.deepEqual(await canfar('wait', 'a1'), { code: 2, stdout: wanted, stderr: '' })
  assert.equal(server.requests.find(({ url }) => url.includes('/logs'))?.headers.range, 'bytes=-4000')
})

test('create waits for a server that restarts, and submits once with one key', async () => {
  let posts = 0
  const { canfar, server } = await platform((request, response) => {
    if (request.url === '/api/v1/openapi.json' && server.requests.length < 3) {
      if (server.requests.length < 2) response.destroy()
      return server.requests.length < 2 ? undefined : { status: 503, body: 'starting' }
    }
    if (request.url === '/api/v1/openapi.json') return { body: {} }
    posts += 1
    if (posts > 1) return { status: 201, body: { ids: ['a1'] } }
    response.destroy()
    return undefined
  })
  const { code, stdout } = await canfar('create', 'headless', 'skaha/x', '-n', 'n', '--', 'x')
  assert.deepEqual([code, stdout], [0, "Successfully created session 'n' (ID: a1)\n"])
  const keys = server.requests.flatMap(({ headers }) => headers['idempotency-key'] ?? [])
  assert.equal(keys.length, 2)
  assert.equal(keys[0], keys[1])
})

test('create says on stderr what no shell will do, and that stdin is not sent', async () => {
  const { shell } = await platform(own({ 'POST /api/v1/jobs': { status: 201, body: { ids: ['a1'] } } }))
  const create = 'canfar create -n n --image skaha/x'
  const redirected = await shell(`${create} --cmd "python3 x.py > out.txt"`)
  assert.deepEqual([redirected.code, redirected.stdout], [0, "Successfully created session 'n' (ID: a1)\n"])
  assert.match(
    redirected.stderr,
    /^canfar: '>' reaches the program as text: no shell runs the command\nfix: .*sh -c.*\nsee: .*#no-shell\n$/,
  )
  const stdin = /^canfar: a job has no stdin[^]*\nfix: .*\/arc.*\nsee: .*#no-stdin\n$/
  assert.match((await shell(`${create} -- python3 - <<END\nprint(1)\nEND`)).stderr, stdin)
  assert.match((await shell(`echo 'print(1)' | ${create} -- python3`)).stderr, stdin)
  for (const quiet of [
    `${create} -- python3 - </dev/null`,
    `echo x | ${create} -- python3 x.py`,
    `${create} -- sh -c 'a > b && c'`,
    `${create} --json --cmd 'a > b'`,
  ])
    assert.equal((await shell(quiet)).stderr, '', quiet)
})

test('a full disk under stdout is two plain lines', async () => {
  const { shell } = await platform(own({ 'GET /api/v1/jobs/a1/logs': { body: 'x\n'.repeat(100_000) } }))
  const { code, stderr } = await shell('canfar logs a1 >/dev/full')
  assert.equal(stderr, 'canfar: there is no room for the output\nfix: make room, or write the output to another disk\n')
  assert.equal(code, 1)
})

test('words and variables that are not UTF-8 are refused before anything is sent, and others are not', async () => {
  const { shell, server } = await platform(own({ 'POST /api/v1/jobs': { status: 201, body: { ids: ['a1'] } } }))
  const byte = `"$(printf 'caf\\351')"`
  for (const [line, what] of [
    [`canfar create -n n --image skaha/x -- cat ${byte}`, "the argument 'caf\\xe9'"],
    [`canfar create -n n --image skaha/x -e "NAME=$(printf 'caf\\351')" -- x`, "the argument 'NAME=caf\\xe9'"],
    [`canfar logs ${byte}`, "the argument 'caf\\xe9'"],
    [
      `export CANFAR_REGISTRY__SECRET=${byte}; canfar ps`,
      "the environment variable 'CANFAR_REGISTRY__SECRET=caf\\xe9'",
    ],
  ] as const) {
    const { code, stderr } = await shell(line)
    assert.ok(stderr.startsWith(`canfar: ${what} is not UTF-8\nfix: `), stderr)
    assert.equal(code, 2)
  }
  assert.equal(server.requests.length, 0)
  const fine = await shell("canfar create -n n --image skaha/x -- cat 'café \ufffd'")
  assert.equal(fine.code, 0, fine.stderr)
})

test('login where the home cannot be written says what to do', async () => {
  const server = await recordingServer(() => ({ body: [] }))
  cleanups.push(() => server.close())
  const file = join(await temporaryHome(), 'file')
  await writeFile(file, '')
  for (const [home, why] of [
    [file, 'ENOTDIR'],
    ['/proc/nothing/below', 'ENOENT'],
  ] as const) {
    const { code, stderr } = await runCanfar(home, ['login', '--server', server.url, '--token-stdin'], { input: 't\n' })
    assert.equal(code, 1)
    assert.match(
      stderr,
      new RegExp(
        `^canfar: cannot (?:read|write) [^\\n]*config.yaml: ${why}[^\\n]*\\nfix: set HOME to [^\\n]* CANFAR_TOKEN\\n$`,
      ),
    )
  }
})

test('a reader that closes the pipe is not an error', async () => {
  const { start } = await platform(own({ 'GET /api/v1/jobs/a1/logs': { body: 'x\n'.repeat(500_000) } }))
  const { child, ended } = start('logs', 'a1')
  child.stdout?.once('data', () => child.stdout?.destroy())
  assert.deepEqual(await ended.then(({ code, stderr }) => [code, stderr]), [0, ''])
})

test('events, stats, delete, prune, renew, image ls', async () => {
  const event = { at: '2026-11-23T08:00:00.000Z', type: 'Warning', reason: 'Exited', message: 'The command ended.' }
  const { canfar, server } = await platform(
    own({
      'GET /api/v1/jobs/a1/events': { body: { events: [event] } },
      'GET /api/v1/jobs/a1': { body: job('a1', 'running', { usage: { cores: 0.5, memoryBytes: 1024 ** 3 } }) },
      'DELETE /skaha/v1/session/a1': { body: '' },
      'POST /skaha/v1/session/a1': { body: '' },
      'GET /skaha/v1/session': ({ url }) => ({
        body: url.includes('view=stats')
          ? {
              cores: { requestedCPUCores: 1, cpuCoresAvailable: 16, maxCPUCores: { cpuCores: 16, withRam: '64G' } },
              ram: { requestedRAM: '4.295G', ramAvailable: '23.622G', maxRAM: { ram: '21Gi', withCPUCores: 16 } },
            }
          : [session('a1', 'Completed', { name: 'study-1' }), session('b2', 'Completed', { name: 'other' })],
      }),
      'GET /skaha/v1/image': {
        body: [{ id: 'localhost/x:1', types: ['headless'], digest: 'sha256:0123456789abcdef' }],
      },
    }),
  )
  assert.equal((await canfar('events', 'a1')).stdout, '2026-11-23 08:00:00  Exited  warning: The command ended.\n')
  assert.match((await canfar('stats', 'a1')).stdout, /^a1 +running +0\.50 +1 +- +1\.00 GiB +- +4 GiB$/m)
  assert.match((await canfar('stats')).stdout, /^Cores +1 +16 +16\nMemory +4 GiB +22 GiB +21 GiB$/m)
  assert.equal((await canfar('delete', 'a1')).stdout, 'Cancelled a1 (name-of-a1).\n')
  assert.equal((await canfar('renew', 'a1')).stdout, 'Renewed a1.\n')
  assert.equal((await canfar('prune', 'study')).stdout, 'Deleted 1 session.\n')
  assert.ok(server.requests.some(({ url }) => url === '/skaha/v1/session?type=headless&status=Succeeded'))
  assert.match((await canfar('image', 'ls', '-k', 'headless')).stdout, /^localhost\/x:1 +headless +0123456789ab$/m)
  assert.equal((await canfar('image', 'ls', '-k', 'carta')).stdout, '')
})

test('wait exits with the first exit code that is not 0', async () => {
  const { canfar } = await platform(
    own(ended(job('a1', 'succeeded', { exitCode: 0 }), job('b2', 'cancelled'), job('c3', 'failed', { exitCode: 3 }))),
  )
  assert.equal((await canfar('wait', 'a1')).code, 0)
  assert.equal((await canfar('wait', 'a1', 'c3', 'b2')).code, 3)
  const { code, stdout } = await canfar('wait', 'b2', '--json')
  assert.equal(code, 143)
  assert.equal((JSON.parse(stdout) as [{ state: string }])[0].state, 'cancelled')
})

test('too many requests: the message of the server, and a hint', async () => {
  const { canfar } = await platform(foreign(() => ({ status: 429, body: 'ada has sent too many requests.\n' })))
  const { code, stderr } = await canfar('ps')
  assert.deepEqual(
    [code, stderr],
    [
      6,
      'canfar: ada has sent too many requests.\nfix: try again in a few seconds; replicas of one create are one request\n',
    ],
  )
})

test('auth login checks the token, saves it readable by its owner only, and logs in again without asking', async () => {
  const { server } = await platform(({ headers }) =>
    headers.authorization === 'Bearer good'
      ? { body: [], headers: { 'x-vo-authenticated': 'ada' } }
      : { status: 401, body: 'token invalid' },
  )
  const home = await temporaryHome()
  const canfar = (words: string[], input = ''): Promise<Ran> => runCanfar(home, words, { input })
  const file = join(home, '.canfar', 'config.yaml')

  for (const fromStdin of [['--token', '-'], ['--token-stdin']]) {
    const refused = await canfar(['auth', 'login', '--server', server.url, ...fromStdin], 'bad\n')
    assert.deepEqual([refused.code, refused.stdout], [4, ''])
    assert.doesNotMatch(refused.stderr, /warning/)
    await assert.rejects(stat(file))
  }
  const seen = await canfar(['auth', 'login', '--server', server.url, '--token', 'bad'])
  assert.match(seen.stderr, /^warning: other users of this machine can see the value of --token; use --token-stdin/)

  const done = await canfar(['auth', 'login', '--server', server.url], 'good\n')
  assert.equal(done.code, 0, done.stderr)
  assert.match(done.stdout, /^Logged in to server-127-0-0-1-\d+ as ada\.\n/)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.equal((await stat(join(home, '.canfar'))).mode & 0o777, 0o700)
  const saved = parse(await readFile(file, 'utf8')) as { version: number; servers: Record<string, { url: string }> }
  assert.deepEqual([saved.version, Object.values(saved.servers)[0]?.url], [2, `${server.url}/skaha`])

  assert.equal((await canfar(['auth', 'login'])).code, 0)
  assert.equal((await canfar(['ps', '-a'])).code, 0)
  assert.match((await canfar(['auth', 'show', '--json'])).stdout, /"mode": "oidc"/)
  assert.match((await canfar(['config', 'show'])).stdout, /access: "\*{8}"/)
  assert.match((await canfar(['server', 'ls'])).stdout, /^\* +server-127/m)
  assert.equal((await canfar(['config', 'set', 'console.banner', 'false'])).code, 0)
  assert.equal((await canfar(['config', 'get', 'console.banner'])).stdout, 'false\n')
  assert.equal((await canfar(['config', 'set', 'active.server', 'nowhere'])).code, 2)
  assert.equal((await canfar(['config', 'get', 'console.width'])).code, 3)
  assert.equal((await canfar(['auth', 'purge'])).code, 1)
  assert.equal((await canfar(['auth', 'purge', '-f'])).code, 0)
  assert.equal((await canfar(['ps'])).code, 4)
})

test('a token is never printed, also not with --debug and -vv', async () => {
  const token = 'sp_planted0123456789'
  const { server } = await platform(() => ({ status: 500, body: 'it failed' }))
  const home = await temporaryHome()
  const environment = { CANFAR_URL: `${server.url}/skaha/v1`, CANFAR_TOKEN: token, CANFAR_REGISTRY__USERNAME: 'ada' }
  for (const words of [['ps'], ['info', 'a1'], ['create', 'localhost/a:1'], ['stats'], ['config', 'show']]) {
    for (const more of [['--debug'], ['-vv'], ['--debug', '-vv', '--json']]) {
      const { stdout, stderr } = await runCanfar(home, [...words, ...more], {
        environment: { ...environment, CANFAR_REGISTRY__SECRET: 'planted-secret' },
      })
      assert.doesNotMatch(stdout + stderr, /planted/, [...words, ...more].join(' '))
    }
  }
})

test('an invalid configuration is refused with its path and the reason', async () => {
  const home = await temporaryHome()
  await mkdir(join(home, '.canfar'))
  await writeFile(join(home, '.canfar', 'config.yaml'), 'version: 2\nactive: {}\n')
  const { code, stderr } = await runCanfar(home, ['ps'])
  assert.equal(code, 1)
  assert.match(stderr, /config\.yaml cannot be used: active\.authentication is missing\nfix: /)
})

const failures: [string, string[], number, RegExp][] = [
  ['an unknown command', ['pss'], 2, /^canfar: unknown command 'pss' \(Did you mean ps\?\)\nfix: canfar help\n$/],
  ['an unknown option', ['ps', '--nonsense'], 2, /unknown option '--nonsense'\nfix: canfar help ps\n$/],
  ['a missing id', ['info'], 2, /missing required argument 'ids'/],
  [
    'an error as JSON',
    ['ps', '--nonsense', '--json'],
    2,
    /^\{"code":"command.validation_failed","message":"unknown option/,
  ],
  ['quiet and JSON', ['ps', '-q', '--json'], 2, /cannot be combined/],
  ['a command after -- of another command', ['ps', '--', 'x'], 2, /only create takes a command/],
  ['no login', ['ps'], 4, /you are not logged in\nfix: canfar auth login --server URL\n$/],
]
for (const [what, words, code, stderr] of failures)
  test(`${what} exits with ${code}`, async () => {
    const ran = await runCanfar(await temporaryHome(), words)
    assert.deepEqual([ran.code, ran.stdout], [code, ''])
    assert.match(ran.stderr, stderr)
  })

test('an unreachable server is named with its address, and --debug prints the stack', async () => {
  const closed = await recordingServer(() => ({}))
  await closed.close()
  const environment = { CANFAR_URL: closed.url, CANFAR_TOKEN: 't' }
  const home = await temporaryHome()
  const { code, stderr } = await runCanfar(home, ['ps'], { environment })
  assert.equal(code, 5)
  assert.match(
    stderr,
    /^canfar: no answer from http:\/\/127\.0\.0\.1:\d+\/skaha\/v1\/session: .*ECONNREFUSED.*\nfix: .*\n$/,
  )
  assert.match((await runCanfar(home, ['ps', '--debug'], { environment })).stderr, /at .*connection\.ts/)
})

test('help, version and dry runs need no login', async () => {
  const home = await temporaryHome()
  for (const words of [
    [],
    ['--help'],
    ['help', 'create'],
    ['create', '-h'],
    ['help', 'exit-codes'],
    ['version'],
    ['auth', '--help'],
  ]) {
    const { code, stdout, stderr } = await runCanfar(home, words)
    assert.deepEqual([code, stderr], [0, ''], words.join(' '))
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line)
  }
  const dry = await runCanfar(home, ['create', 'headless', 'skaha/x', '-n', 'n', '--dry-run', '--json', '--', 'ls'])
  assert.deepEqual(JSON.parse(dry.stdout), {
    name: 'n',
    image: 'images.canfar.net/skaha/x:latest',
    cmd: 'ls',
    args: [],
  })
})
