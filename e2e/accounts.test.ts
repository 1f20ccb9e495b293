import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Session, type ProblemError } from '@science-platform/client'
import { isEnded, type Job, type JobRequest } from '@science-platform/contract'
import { eventually, Platform, testImage } from './support/platform.ts'

const run = promisify(execFile)
const isRoot = process.getuid?.() === 0
let platform: Platform
const tokens = new Map<string, string>()

before(async () => {
  platform = await Platform.make()
  await platform.admin('user', 'add', 'root', '--admin')
  await platform.admin('user', 'add', 'bob', '--group', 'survey')
  await platform.admin('user', 'add', 'eve')
  await platform.admin('project', 'add', 'night', '--group', 'survey')
  for (const name of ['ada', 'bob', 'eve', 'root']) tokens.set(name, await platform.admin('token', 'create', name))
  await platform.start()
})

after(() => platform[Symbol.asyncDispose]())

/** Runs a shell line in a container as a user, and returns the job with its log. */
async function runAs(
  user: string,
  line: string,
  request: Partial<JobRequest> = {},
): Promise<{ job: Job; log: string }> {
  const jobs = platform.jobs(tokens.get(user))
  const { ids } = await jobs.submit({ name: 'test', image: testImage, cmd: 'sh', args: ['-c', line], ...request })
  const [job] = await jobs.wait(ids, { signal: AbortSignal.timeout(120_000) })
  if (job === undefined || !isEnded(job.state)) throw new Error('it did not end')
  const log = await platform.fetch(`/api/v1/jobs/${job.id}/logs`, {
    headers: { authorization: `Bearer ${tokens.get(user)}` },
  })
  return { job, log: await log.text() }
}

/** The status of `GET /account` with a token. */
const statusOf = async (token: string): Promise<number> =>
  (await platform.fetch('/api/v1/account', { headers: { authorization: `Bearer ${token}` } })).status

test(
  'who is in the group of a project reads and writes its files, and nobody else: seen from inside containers',
  { skip: !isRoot && 'without root all jobs run as one user' },
  async () => {
    const gid = (JSON.parse(await platform.admin('group', 'list', '--json')) as { name: string; gid: number }[]).find(
      ({ name }) => name === 'survey',
    )?.gid
    const wrote = await runAs(
      'ada',
      'umask 007; cd /arc/projects/night && mkdir deep && echo seen > deep/frame && stat -c "%g %a" . deep && stat -c "%g %U" deep/frame && id -G',
    )
    const uids = new Map(
      (JSON.parse(await platform.admin('user', 'list', '--json')) as { name: string; uid: number }[]).map((user) => [
        user.name,
        user.uid,
      ]),
    )
    assert.equal(wrote.job.exitCode, 0, wrote.log)
    assert.equal(wrote.log, `${gid} 2770\n${gid} 2770\n${gid} ada\n${uids.get('ada')} ${gid}\n`)

    const read = await runAs('bob', 'cat /arc/projects/night/deep/frame && echo more >> /arc/projects/night/deep/frame')
    assert.deepEqual([read.job.exitCode, read.log], [0, 'seen\n'])

    for (const line of [
      'cat /arc/projects/night/deep/frame',
      'ls /arc/projects/night',
      'touch /arc/projects/night/mine',
    ])
      assert.match((await runAs('eve', line)).log, /Permission denied/, line)

    await platform.admin('group', 'remove-member', 'survey', 'bob')
    assert.match((await runAs('bob', 'cat /arc/projects/night/deep/frame')).log, /Permission denied/)

    await platform.admin('group', 'add', 'optics')
    await platform.admin('group', 'add-member', 'optics', 'eve')
    await platform.admin('project', 'set', 'night', '--group', 'optics')
    assert.equal((await runAs('eve', 'cat /arc/projects/night/deep/frame')).log, 'seen\nmore\n')
    assert.match((await runAs('ada', 'ls /arc/projects/night')).log, /Permission denied/)
  },
)

test('a job submits a job with its own token, which ends with the job', async () => {
  const call = [
    'wget -q -O - --header "Authorization: Bearer $CANFAR_TOKEN" --header "X-Skaha-Authentication-Type: RUNTIME-TOKEN"',
    `--post-data "name=child&image=${testImage}&cmd=echo&args=from%20the%20child&type=headless" "$CANFAR_URL/session"`,
  ].join(' ')
  const { job, log } = await runAs('ada', `umask 077; echo "$CANFAR_URL $CANFAR_TOKEN" > $HOME/held; ${call}`, {
    jobToken: true,
  })
  assert.equal(job.exitCode, 0, log)
  const child = await platform.ended(log.trim())
  assert.deepEqual([child.owner, child.exitCode], ['ada', 0])
  assert.equal(await platform.logOf(child.id), 'from the child\n')
  const held = await readFile(join(platform.dataDir, 'arc/home/ada/held'), 'utf8')
  const [url = '', token = ''] = held.trim().split(' ')
  assert.match(url, /^http:\/\/[0-9.]+:\d+\/skaha\/v1$/)
  assert.equal(await statusOf(token), 401)

  // While the job runs, a client can use its token.
  const running = await platform.submit(`echo "$CANFAR_TOKEN" > $HOME/held; sleep 600`, {
    jobToken: ['read', 'submit'],
    graceSeconds: 1,
  })
  const good = await eventually('the token', async () => {
    const text = (await readFile(join(platform.dataDir, 'arc/home/ada/held'), 'utf8')).trim()
    return text === '' || text.includes(' ') ? undefined : text
  })
  const session = new Session({ url, token: good })
  const [grandchild = ''] = await session.create({ name: 'by-session', image: testImage, cmd: 'true' })
  assert.equal((await session.info(grandchild))[0]?.userid, 'ada')
  await assert.rejects(platform.jobs(good).cancel(grandchild), (error: ProblemError) => error.status === 403)
  await platform.ended(grandchild)

  // The token stays valid after a kill and restart of the server, and is not in the store.
  await platform.stop('SIGKILL')
  await platform.start()
  assert.equal(await statusOf(good), 200)
  for (const file of ['platform.db', 'platform.db-wal'])
    assert.ok(!(await readFile(join(platform.dataDir, file), 'latin1')).includes(good), file)
  assert.ok(!platform.log.includes(good))
  assert.ok(!(await (await platform.fetch(`/api/v1/jobs/${running}`)).text()).includes(good))
  await platform.jobs().cancel(running)
  await platform.ended(running)
  assert.equal(await statusOf(good), 401)
})

test('the token of a job that ends while the server is down is invalid after the restart', async () => {
  const line = 'echo "$CANFAR_TOKEN" > $HOME/short; until [ -e $HOME/go-on ]; do sleep 0.1; done'
  await platform.submit(line, { jobToken: true })
  const token = await eventually('the token', async () =>
    readFile(join(platform.dataDir, 'arc/home/ada/short'), 'utf8').then(
      (text) => (text.endsWith('\n') ? text.trim() : undefined),
      () => undefined,
    ),
  )
  assert.equal(await statusOf(token), 200)
  await platform.stop('SIGKILL')
  await writeFile(join(platform.dataDir, 'arc/home/ada/go-on'), '')
  await eventually('the job to end', async () => (await platform.processes()).length === 0)
  await platform.start()
  await eventually('the token to be refused', async () => (await statusOf(token)) === 401)
})

test('canfar creates, lists, rotates and revokes tokens, and rotates the token of its login', async () => {
  const home = join(platform.folder, 'canfar-home')
  const canfar = async (...words: string[]): Promise<string> => {
    const program = fileURLToPath(new URL('../bin/canfar', import.meta.url))
    const { stdout } = await run(program, words, { env: { PATH: process.env.PATH, HOME: home, COLUMNS: '100' } })
    return stdout.trim()
  }
  const first = await platform.admin('token', 'create', 'ada', '--name', 'login', '--expires', '30d')
  await mkdir(home)
  await canfar('auth', 'login', '--server', platform.url, '--token', first)
  const made = await canfar('auth', 'token', 'create', '--name', 'nightly', '--scope', 'read,submit', '--expires', '1h')
  assert.equal(await statusOf(made), 200)
  const list = await canfar('auth', 'token', 'list')
  assert.match(list, new RegExp(`${made.slice(0, 9)} +nightly +read,submit `))
  assert.match(list, new RegExp(`${first.slice(0, 9)} \\* +login `))
  const second = await canfar('auth', 'token', 'rotate')
  assert.deepEqual([await statusOf(first), await statusOf(second), await statusOf(made)], [401, 200, 200])
  assert.match(await canfar('auth', 'token', 'list'), new RegExp(`${second.slice(0, 9)} \\* +login `))
  const next = await canfar('auth', 'token', 'rotate', made.slice(0, 9), '--overlap', '1h')
  assert.deepEqual([await statusOf(made), await statusOf(next)], [200, 200])
  assert.equal(await canfar('auth', 'token', 'revoke', next.slice(0, 9)), `Revoked ${next.slice(0, 9)}….`)
  assert.equal(await statusOf(next), 401)
  const id = JSON.parse(
    await canfar(
      'create',
      '--json',
      '--wait',
      '--job-token',
      'read',
      testImage,
      '--',
      'sh',
      '-c',
      'echo ${CANFAR_TOKEN%_*}',
    ),
  ) as [string]
  assert.equal(await canfar('logs', id[0]), 'sp')
})

test('disabling a user by command revokes tokens and cancels jobs on a running server', async () => {
  const jobs = platform.jobs(tokens.get('eve'))
  const request = { name: 'long', image: testImage, cmd: 'sleep', args: ['600'], graceSeconds: 1 }
  const {
    ids: [running = ''],
  } = await jobs.submit(request)
  const {
    ids: [waiting = ''],
  } = await jobs.submit({ ...request, after: new Date(Date.now() + 3_600_000).toISOString() })
  await eventually('it to run', async () => (await jobs.get(running)).state === 'running')
  await platform.admin('user', 'disable', 'eve', '--cancel-jobs')
  await eventually('the token to be refused', async () => (await statusOf(tokens.get('eve') ?? '')) === 401)
  const administrator = platform.jobs(tokens.get('root'))
  for (const id of [running, waiting]) {
    const job = await eventually('the job to end', async () => {
      const now = await administrator.get(id)
      return isEnded(now.state) && now
    })
    assert.equal(job.state, 'cancelled')
    assert.match(job.cause?.message ?? '', /owner was disabled/)
  }
  await platform.admin('user', 'enable', 'eve')
  assert.equal(await statusOf(tokens.get('eve') ?? ''), 401)
  tokens.set('eve', await platform.admin('token', 'create', 'eve'))
  assert.equal(await statusOf(tokens.get('eve') ?? ''), 200)
})
