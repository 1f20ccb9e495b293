import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Session } from '@science-platform/client'
import type { FileList } from '@science-platform/contract'
import { eventually, onKubernetes, Platform, testImage } from './support/platform.ts'

let platform: Platform

before(async () => {
  platform = await Platform.make('capacity: {cores: 4, memoryGb: 4}\n')
  await platform.start()
})
after(() => platform[Symbol.asyncDispose]())

test('a job runs from submission to its recorded exit, with usage, events and log', async () => {
  const { job, log } = await platform.run('echo out; echo err >&2; echo out again; exit 3', { cores: 1, memoryGb: 1 })
  // A node of a cluster keeps the order only within stdout and within stderr.
  if (onKubernetes) assert.deepEqual(log.split('\n').sort(), ['', 'err', 'out', 'out again'])
  else assert.equal(log, 'out\nerr\nout again\n')
  assert.equal(job.state, 'failed')
  assert.equal(job.exitCode, 3)
  assert.equal(job.cause?.code, 'exited')
  // On a cluster usage is sampled every 15 s, which misses such a short job.
  if (!onKubernetes) {
    assert.ok((job.usage?.cpuSeconds ?? 0) > 0)
    assert.ok((job.usage?.memoryPeakBytes ?? 0) > 0)
  }
  const { events } = (await (await platform.fetch(`/api/v1/jobs/${job.id}/events`)).json()) as {
    events: { reason: string }[]
  }
  const reasons = events.map(({ reason }) => reason)
  assert.deepEqual([reasons[0], reasons.at(-1)], ['Queued', 'Exited'])
  assert.ok(reasons.includes('Placed') && reasons.includes('Started'))
})

test('a job runs as its user: ids, groups, names, home, scratch, and owners of files', async () => {
  const line = [
    'id -u; id -g; id -G; id -un; pwd; echo $HOME; hostname',
    'echo mine > /arc/home/ada/mine; echo ours > /arc/projects/survey/ours; echo fast > /scratch/fast; cat /scratch/fast',
    'echo here > /tmp/written && cat /tmp/written >/dev/null && ls -ld /scratch | cut -c1-10',
  ].join('; ')
  const { job, log } = await platform.run(line, { name: 'Who-Am-I' })
  assert.equal(job.exitCode, 0, log)
  const rootless = process.getuid?.() !== 0
  const id = rootless ? '0' : '20000'
  assert.deepEqual(log.split('\n'), [
    id,
    id,
    rootless ? '0' : '20000 40000',
    'ada',
    '/arc/home/ada',
    '/arc/home/ada',
    'who-am-i',
    'fast',
    onKubernetes ? 'drwxrwxrwx' : 'drwx------', // alone in its pod, either way
    '',
  ])
  const mine = await stat(join(platform.dataDir, 'arc/home/ada/mine'))
  const ours = await stat(join(platform.dataDir, 'arc/projects/survey/ours'))
  if (!rootless) assert.deepEqual([mine.uid, ours.uid, ours.gid], [20_000, 20_000, 40_000])
  const again = await platform.run('ls /tmp/written')
  assert.notEqual(again.job.exitCode, 0, 'what was written outside /arc is gone')
})

test('the environment follows the contract, and every value arrives unchanged', async () => {
  const env = {
    EQUALS: 'b=c d',
    EMPTY: '',
    QUOTES: `"x" 'y'`,
    DOLLAR: '$HOME ${X} \\',
    LINES: 'one\ntwo',
  }
  const { log } = await platform.run('env -0', { env, cores: 2 })
  const seen = new Map(
    log.split('\0').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  for (const [key, value] of Object.entries(env)) assert.equal(seen.get(key), value, key)
  assert.equal(seen.get('HOME'), '/arc/home/ada')
  assert.equal(seen.get('OMP_NUM_THREADS'), '2')
  assert.equal(seen.get('skaha_username'), 'ada')
  assert.match(seen.get('skaha_sessionid') ?? '', /^[a-z][a-z0-9]{7}$/)
  assert.deepEqual([seen.get('REPLICA_ID'), seen.get('REPLICA_COUNT')], ['1', '1'])
})

test('a job starts in its working directory, or ends with the reason why it cannot', async () => {
  const there = await platform.run('pwd; echo $PWD; cd; pwd', { workingDirectory: '//arc/projects/survey/./' })
  const [folder, home] = ['/arc/projects/survey', '/arc/home/ada']
  assert.equal(there.log, `${folder}\n${folder}\n${home}\n`)
  assert.equal(there.job.workingDirectory, folder)
  assert.equal((await platform.run('pwd', { workingDirectory: '/scratch/a/b' })).log, '/scratch/a/b\n')
  const { job } = await platform.run('echo ran', { workingDirectory: '/arc/home/ada/no/such' })
  assert.deepEqual([job.state, job.cause?.code, job.exitCode], ['failed', 'start-failed', undefined])
  assert.match(job.cause?.message ?? '', /\/arc\/home\/ada\/no\/such .*there is no folder \/arc\/home\/ada\/no /)
})

test('a user finds the files that a job would see, where the server sees them', async () => {
  await platform.run('mkdir -p night; touch night/b.fits night/a.fits; touch /arc/projects/survey/c.fits')
  const answer = await platform.fetch('/api/v1/files?glob=/arc/**/*.fits')
  if (onKubernetes) {
    assert.equal(answer.status, 409)
    assert.match(await answer.text(), /files-not-visible/)
    return
  }
  const { files } = (await answer.json()) as FileList
  assert.deepEqual(
    files.map(({ path }) => path),
    ['/arc/home/ada/night/a.fits', '/arc/home/ada/night/b.fits', '/arc/projects/survey/c.fits'],
  )
  assert.deepEqual(await platform.jobs().files({ glob: '/arc/home/ada/no*' }), { files: [], unreadable: 0, unnamed: 0 })
})

test('the container has no capability, gains no privilege, sees its own processes, and cannot mount', async () => {
  const line = [
    'grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status | tr -d "\\t "',
    'ls /proc | grep -c "^[0-9]"',
    'mount -t tmpfs x /tmp 2>/dev/null || echo no mount',
    'unshare -r true 2>/dev/null || echo no user namespace',
    'cat /proc/kcore 2>/dev/null | head -c 1 | wc -c',
    'touch /proc/sys/kernel/hostname 2>/dev/null; echo x > /proc/sys/kernel/hostname || echo read only',
  ].join('; ')
  const { log } = await platform.run(`(${line}) 2>/dev/null`)
  const lines = log.split('\n')
  assert.ok(lines.includes('CapEff:0000000000000000') && lines.includes('CapBnd:0000000000000000'), log)
  assert.ok(lines.includes('NoNewPrivs:1') && lines.includes('Seccomp:2'), log)
  assert.ok(lines.includes('no mount') && lines.includes('no user namespace') && lines.includes('read only'), log)
  assert.ok(Number(lines[4]) < 10, log)
})

test('a job gets no service account of the cluster, and no token of one', async () => {
  // Every container of a cluster has KUBERNETES_SERVICE_HOST, which gives no access.
  const { log } = await platform.run(
    'ls -d /var/run/secrets/kubernetes.io /run/secrets/kubernetes.io 2>/dev/null; grep -c serviceaccount /proc/self/mounts',
  )
  assert.equal(log, '0\n')
})

test('replicas are accepted together and numbered, and the log of a running one can be followed', async () => {
  const { ids } = await platform.jobs().submit({
    name: 'study',
    image: testImage,
    cmd: 'sh -c "echo $REPLICA_ID of $REPLICA_COUNT; sleep 0.3; echo end"',
    replicas: 3,
  })
  const logs = await Promise.all(
    ids.map(async (id) => (await platform.fetch(`/api/v1/jobs/${id}/logs?follow=1`)).text()),
  )
  assert.deepEqual(logs, ['1 of 3\nend\n', '2 of 3\nend\n', '3 of 3\nend\n'])
  assert.deepEqual(
    (await Promise.all(ids.map((id) => platform.ended(id)))).map(({ name }) => name),
    ['study-1', 'study-2', 'study-3'],
  )
})

test('a running job can be observed: usage grows, and output arrives while it is written', async () => {
  const id = await platform.submit('echo tick; while :; do :; done')
  await platform.becomes(id, 'running')
  await eventually('usage', async () => ((await platform.jobs().get(id)).usage?.cores ?? 0) > 0.3)
  assert.equal(await platform.logOf(id), 'tick\n')
  await platform.jobs().cancel(id)
  await platform.ended(id)
})

test('the same job through the skaha wire, by the SDK', async () => {
  const session = new Session({ url: `${platform.url}/skaha/v1`, token: platform.token })
  const [id = ''] = await session.create({
    name: 'wire',
    image: testImage,
    cmd: 'sh',
    args: ['-c', 'echo "a  b"; sleep 60'],
  })
  await eventually('it to run', async () => (await session.info([id]))[0]?.status === 'Running')
  await eventually('output', async () => (await session.logs([id]))[id] === 'a  b\n')
  assert.deepEqual(await session.destroy([id]), { [id]: true })
  await platform.ended(id)
  assert.deepEqual(
    (await session.fetch()).filter((one) => one.id === id),
    [],
  )
})

test('a link in /arc cannot lead to the machine, and device nodes are inert', async () => {
  const home = join(platform.dataDir, 'arc/home/ada')
  await writeFile(join(platform.folder, 'secret'), 'of the machine')
  const { log } = await platform.run(
    `ln -sf ${platform.folder}/secret leak; cat leak || echo no leak; ln -sf /etc/passwd p; grep -c ada p; cat ../../../../../../..${platform.folder}/secret || echo no way up`,
  )
  assert.match(log, /no leak[^]*1\n[^]*no way up/)
  if (process.getuid?.() === 0) {
    const { execFileSync } = await import('node:child_process')
    execFileSync('mknod', ['-m', '666', join(home, 'disk'), 'b', '254', '0'])
    const { log: opened } = await platform.run('head -c 1 disk || echo inert')
    assert.match(opened, /inert/)
  }
})

test('invalid requests are refused, and nothing is stored', async () => {
  const before = (await platform.jobs().list({ limit: 1000 })).jobs.length
  const bodies: Record<string, object> = {
    name: { name: 'a_b', image: testImage },
    image: { name: 'a', image: 'docker.io/library/busybox:1' },
    memroyGb: { name: 'a', image: testImage, memroyGb: 8 },
    cores: { name: 'a', image: testImage, cores: 0 },
    memoryGb: { name: 'a', image: testImage, memoryGb: 500 },
    env: { name: 'a', image: testImage, env: { 'A B': 'x' } },
    args: { name: 'a', image: testImage, args: ['x'.repeat(200_000)] },
    cmd: { name: 'a', image: testImage, cmd: 'a\0b' },
    replicas: { name: 'a', image: testImage, replicas: 1e9 },
  }
  for (const [field, body] of Object.entries(bodies)) {
    const response = await platform.fetch('/api/v1/jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const problem = (await response.json()) as { field?: string; detail: string; hint?: string }
    assert.equal(response.status, 400, `${field}: ${JSON.stringify(problem)}`)
    assert.equal(problem.field, field, JSON.stringify(problem))
    assert.ok(problem.hint, field)
  }
  assert.equal((await platform.jobs().list({ limit: 1000 })).jobs.length, before)
})

test('jobs of other users do not exist, and requests without a token are refused', async () => {
  const { job } = await platform.run('echo private')
  await platform.admin('user', 'add', 'bob')
  const bob = platform.jobs(await platform.admin('token', 'create', 'bob'))
  await assert.rejects(bob.get(job.id), /does not exist/)
  assert.deepEqual((await bob.list()).jobs, [])
  assert.equal((await fetch(`${platform.url}/api/v1/jobs/${job.id}`)).status, 401)
})

test('other users cannot read the secrets of the platform', async () => {
  for (const file of ['platform.db', 'seal.key']) {
    assert.equal((await stat(join(platform.dataDir, file))).mode & 0o077, 0, file)
  }
  assert.ok(!(await readFile(join(platform.dataDir, 'platform.db'), 'latin1')).includes(platform.token))
})
