import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { addGroup, addUser, inTurn } from '../../access/directory.ts'
import { openSeal } from '../../lib/secrets/seal.ts'
import { NewerDatabase } from '../sql/migrate.ts'
import type { Store } from '../store.ts'
import { describeStore } from '../store-contract.ts'
import { someJob } from '../testing/some-job.ts'
import { openSqliteStore, sealFile } from './open.ts'

async function place() {
  const folder = await mkdtemp(join(tmpdir(), 'sp-sqlite-'))
  const path = join(folder, 'platform.db')
  return { path, open: () => openSqliteStore(path), remove: () => rm(folder, { recursive: true }) }
}

describeStore('sqlite', place)

test('opens from several processes at once, also the first time, and gives each user a distinct id', async () => {
  const { path, remove } = await place()
  const program = `
    import { openSqliteStore, sealFile } from ${JSON.stringify(new URL('./open.ts', import.meta.url).href)}
    import { addUser } from ${JSON.stringify(new URL('../../access/directory.ts', import.meta.url).href)}
    const store = await openSqliteStore(${JSON.stringify(path)})
    for (let i = 0; i < 20; i++) await store.changeDirectory(addUser({ name: 'user' + process.pid + '-' + i }))
    await store.close()`
  const shell = Array.from({ length: 3 }, () => `"$NODE" --input-type=module-typescript -e "$PROGRAM" &`).join('\n')
  const run = spawnSync('sh', ['-c', `${shell}\nwait`], {
    env: { ...process.env, NODE: process.execPath, PROGRAM: program },
    encoding: 'utf8',
  })
  assert.equal(run.stderr, '')
  const store = await openSqliteStore(path)
  const { users } = await store.directory()
  const uids = [...users.values()].map(({ uid }) => uid).toSorted((a, b) => a - b)
  assert.deepEqual(
    uids,
    Array.from({ length: 60 }, (_, i) => 20_000 + i),
  )
  await store.close()
  await remove()
})

test('keeps users, groups and tokens, and never reuses an id of a deleted user', async () => {
  const { path, open, remove } = await place()
  await openSeal(join(dirname(path), sealFile))
  const before = new DatabaseSync(path)
  before.exec(await readFile(new URL('../../../migrations/0001-jobs.sql', import.meta.url), 'utf8'))
  before.exec(`
    create table migrations (name text primary key, at bigint not null);
    insert into migrations values ('0001-jobs.sql', 1);
    insert into groups values ('survey', 40000);
    insert into accounts values ('ada', 20000, 20000, 1, 5);
    insert into memberships values ('ada', 'survey');
    insert into tokens (id, prefix, hash, account, name, scopes, created_at) values ('t', 'sp_a', 'h', 'ada', 'x', 'read', 5);
  `)
  before.close()
  const store = await open()
  const survey = { name: 'survey', gid: 40_000 }
  assert.deepEqual(await store.account('ada'), { name: 'ada', uid: 20_000, gid: 20_000, admin: true, groups: [survey] })
  assert.deepEqual((await store.directory()).projects.get('survey'), { name: 'survey', group: 'survey' })
  assert.deepEqual((await store.tokens('ada'))[0]?.id, 't')
  await store.close()

  const without = new DatabaseSync(path)
  without.exec(
    `delete from tokens; delete from memberships; delete from accounts; delete from projects; delete from groups`,
  )
  without.close()
  const again = await open()
  await again.changeDirectory(inTurn(addUser({ name: 'bob' }), addGroup({ name: 'optics' })))
  const { users, groups } = await again.directory()
  assert.deepEqual([users.get('bob')?.uid, groups.get('optics')?.gid], [20_001, 40_001])
  await assert.rejects(again.changeDirectory(addUser({ name: 'eve', uid: 20_000 })), /was that of the user ada/)
  await again.close()
  await remove()
})

test('works beside a newer version that only added to the schema, and refuses an incompatible database', async () => {
  const { path, open, remove } = await place()
  await (await open()).close()
  const database = new DatabaseSync(path)
  database.exec(`insert into migrations values ('9998-wider.sql', 1)`)
  await (await open()).close()
  database.exec(`insert into migrations values ('9999-later.sql', 1)`)
  database.exec(`update facts set value = '9999-later.sql' where name = 'least_migration'`)
  database.close()
  await assert.rejects(open(), (error: Error) => error instanceof NewerDatabase && /9999-later/.test(error.message))
  await remove()
})

test('acknowledged writes survive kill -9 during writing', async () => {
  const { path, open, remove } = await place()
  const program = `
    import { openSqliteStore, sealFile } from ${JSON.stringify(new URL('./open.ts', import.meta.url).href)}
    import { someJob } from ${JSON.stringify(new URL('../testing/some-job.ts', import.meta.url).href)}
    const store = await openSqliteStore(${JSON.stringify(path)})
    let told = 0
    for (;;) {
      const jobs = Array.from({ length: 5 }, () => someJob())
      await Promise.all(jobs.map((job) => store.submit({ jobs: [job], events: [] })))
      process.stdout.write(jobs.map((job) => job.id + '\\n').join(''))
      if ((told += 5) >= 200) process.kill(process.pid, 'SIGKILL')
    }`
  const run = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], { encoding: 'utf8' })
  assert.equal(run.signal, 'SIGKILL')
  const acknowledged = run.stdout
    .trim()
    .split('\n')
    .filter((id) => id !== '')
  assert.ok(acknowledged.length >= 195)
  const store = await open()
  const there = new Set((await store.notEnded()).map((job) => job.id))
  assert.deepEqual(
    acknowledged.filter((id) => !there.has(id)),
    [],
  )
  await store.close()
  await remove()
})

test('cancelling many jobs survives kill -9: each cancelled job has its audit entry, and a repetition finishes', async () => {
  const { path, open, remove } = await place()
  const before = await open()
  const jobs = Array.from({ length: 400 }, () => someJob({ labels: { run: '7' } }))
  await before.submit({ jobs, events: [] })
  await before.close()
  const program = `
    import { openSqliteStore } from ${JSON.stringify(new URL('./open.ts', import.meta.url).href)}
    import { jobsCanceller } from ${JSON.stringify(new URL('../../actions/cancel-jobs.ts', import.meta.url).href)}
    let commits = 0
    const onCommit = () => { if (++commits === Number(process.env.KILL_AT)) process.kill(process.pid, 'SIGKILL') }
    const store = await openSqliteStore(${JSON.stringify(path)}, { onCommit })
    const caller = { account: { name: 'ada', admin: false }, scopes: new Set(['manage']) }
    const jobs = { owner: 'ada', label: { key: 'run', value: '7' } }
    const audit = { at: 1, actor: 'ada', via: 'api', action: 'cancelJobs', subject: 'label run=7', outcome: 'done', count: 1 }
    const { cancelled } = await jobsCanceller({ store, now: () => 5 })({ caller, jobs, audit, isDryRun: false })
    await store.close()
    process.stdout.write(String(cancelled.length))`
  const run = (killAt: number) =>
    spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], {
      encoding: 'utf8',
      env: { ...process.env, KILL_AT: String(killAt) },
    })
  const states = async (): Promise<[ended: number, entries: number]> => {
    const store = await open()
    const left = (await store.notEnded()).length
    const entries = await store.audit({ order: 'newest-first', limit: 9 })
    await store.close()
    return [400 - left, entries.length]
  }
  assert.equal(run(1).signal, 'SIGKILL')
  const [ended, entries] = await states()
  assert.ok(ended > 0 && ended < 400, String(ended))
  assert.equal(entries, 1)
  const { stdout, stderr } = run(0)
  assert.equal(stdout, String(400 - ended), stderr)
  assert.deepEqual(await states(), [400, 2])
  await remove()
})

/** Ids of the tasks of {@link largeSubmission}. */
const taskIds = Array.from({ length: 1_000 }, (_, i) => `t${String(i).padStart(7, '0')}`)

/**
 * A program that submits one job, which it prints, and then 1,000 jobs, which takes several transactions. `onCommit` runs in it after
 * each commit with their count in `commits`, and `onConfirm` in the first and the last transaction of the jobs.
 */
const largeSubmission = (path: string, { onCommit = '', onConfirm = '' }): string => `
    import { openSqliteStore } from ${JSON.stringify(new URL('./open.ts', import.meta.url).href)}
    import { someJob } from ${JSON.stringify(new URL('../testing/some-job.ts', import.meta.url).href)}
    let commits = 0
    let confirms = 0
    const store = await openSqliteStore(${JSON.stringify(path)}, { onCommit: () => { commits++; ${onCommit} } })
    await store.submit({ jobs: [someJob({ id: 'answered' })], events: [] })
    process.stdout.write('answered\\n')
    const jobs = ${JSON.stringify(taskIds)}.map((id, i) => someJob({ id, arrayId: 'array000', taskIndex: i + 1, taskCount: 1_000 }))
    const events = jobs.map(({ id }) => ({ jobId: id, at: 1, type: 'Normal', reason: 'Queued', message: 'x' }))
    const secrets = new Map(jobs.map(({ id }) => [id, 'sealed']))
    const idempotency = { account: 'ada', key: 'k', fingerprint: 'f' }
    const confirm = () => { confirms++; ${onConfirm} }
    const { outcome } = await store.submit({ jobs, events, secrets, idempotency, confirm })
    await store.close()
    process.stdout.write(outcome + '\\n')`

/** How many tasks of {@link largeSubmission} each statement finds that may find waiting jobs. */
async function tasksSeen(store: Store): Promise<number[]> {
  const filter = { owner: 'ada', sort: 'submitted', limit: 10_000 } as const
  const lists = [
    await store.jobs(filter),
    await store.jobs({ ...filter, sort: '-name', namePrefix: 'job' }),
    await store.jobs({ ...filter, states: ['queued'] }),
    await store.jobs({ ...filter, arrayId: 'array000' }),
    await store.tasks('array000', { first: 1, last: 1_000, after: 0, limit: 1_000 }),
    await store.notEnded(),
    await store.jobsById(taskIds),
  ]
  const single = await store.job(taskIds[500] ?? '')
  return [
    ...lists.map((jobs) => jobs.filter(({ arrayId }) => arrayId === 'array000').length),
    (await store.glimpses(0, 10_000)).length - 1,
    ((await store.jobsByState()).get('queued') ?? 0) - 1,
    single === undefined ? 0 : taskIds.length,
  ]
}
const allSee = (store: Store, count: number) =>
  tasksSeen(store).then((seen) => {
    assert.deepEqual(
      seen,
      seen.map(() => count),
    )
  })

for (const [when, hooks] of Object.entries({
  'between two transactions': { onCommit: `if (commits === 3) process.kill(process.pid, 'SIGKILL')` },
  'in its last transaction': { onConfirm: `if (confirms === 2) process.kill(process.pid, 'SIGKILL')` },
}))
  test(`a large submission that kill -9 ends ${when} leaves nothing that a reader sees, and nothing after the clean-up`, async () => {
    const { path, open, remove } = await place()
    const program = largeSubmission(path, hooks)
    const run = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], { encoding: 'utf8' })
    assert.equal(run.signal, 'SIGKILL', run.stderr)
    assert.equal(run.stdout, 'answered\n')
    const store = await open()
    await allSee(store, 0)
    assert.equal((await store.job('answered'))?.state, 'queued')
    assert.equal(await store.logHead(), 1)

    const database = new DatabaseSync(path, { readOnly: true })
    const rows = (): unknown[] =>
      ['jobs', 'events', 'job_secrets', 'staged'].map(
        (table) => database.prepare(`select count(*) as n from ${table}`).get()?.n,
      )
    assert.ok(Number(rows()[0]) > 1, 'the test must leave something')
    await store.deleteStagedBefore(1_000)
    assert.ok(Number(rows()[0]) > 1, 'it began later')
    await store.deleteStagedBefore(1_001)
    assert.deepEqual(rows(), [1, 0, 0, 0])
    database.close()
    const jobs = taskIds.map((id, i) => someJob({ id, arrayId: 'array000', taskIndex: i + 1, taskCount: 1_000 }))
    const idempotency = { account: 'ada', key: 'k', fingerprint: 'f' }
    const again = await store.submit({ jobs, events: [], idempotency })
    assert.deepEqual(again.outcome === 'stored' && again.change, 2)
    await allSee(store, 1_000)
    await store.close()
    await remove()
  })

/** Another process in a large submission, which waits after its second transaction until `end` is called. */
async function pausedSubmission(path: string) {
  const pause = `if (commits === 3) { process.stdout.write('paused\\n'); fs.readSync(0, Buffer.alloc(1)) }`
  const program = `import fs from 'node:fs'; ${largeSubmission(path, { onCommit: pause })}`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program])
  const errors = text(child.stderr)
  let output = ''
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    output += String(chunk)
    if (output.includes('paused')) break
  }
  assert.equal(output, 'answered\npaused\n')
  return {
    end: async () => {
      child.stdin.end('\n')
      return { output: await text(child.stdout), errors: await errors }
    },
  }
}

test('another process reads and writes between the transactions of a large submission, and sees nothing of it', async () => {
  const { path, open, remove } = await place()
  const child = await pausedSubmission(path)
  const store = await open()
  await allSee(store, 0)
  await store.submit({ jobs: [someJob({ owner: 'bob', state: 'held' })], events: [] })
  assert.equal(await store.logHead(), 2)
  assert.deepEqual(
    (await store.glimpses(0, 9)).map(({ owner }) => owner),
    ['ada', 'bob'],
  )
  assert.deepEqual(await child.end(), { output: 'stored\n', errors: '' })
  const [submitted] = await store.changesAfter(2, 9)
  assert.deepEqual([submitted?.number, submitted?.tasks], [3, { first: 1, last: 1_000 }])
  assert.equal((await store.tasks('array000', { first: 1, last: 1_000, after: 0, limit: 1_000 })).length, 1_000)
  await store.close()
  await remove()
})

test('a submission that was taken for one of a dead process is refused, and nothing of it is stored', async () => {
  const { path, open, remove } = await place()
  const child = await pausedSubmission(path)
  const store = await open()
  await store.deleteStagedBefore(1_001)
  assert.match((await child.end()).errors, /StagingAbandoned/)
  await allSee(store, 0)
  assert.equal(await store.logHead(), 1)
  await store.close()
  await remove()
})

test('writes unlike jobs in transactions of about one MiB, whatever the size of the first', async () => {
  const { path, remove } = await place()
  let commits = 0
  const store = await openSqliteStore(path, { onCommit: () => void (commits += 1) })
  const jobs = ['', 'x'.repeat(600_000), 'y'.repeat(600_000), '', 'z'.repeat(900_000)].map((value) =>
    someJob({ env: { A: value } }),
  )
  const outcome = await store.submit({ jobs, events: [] })
  // Three pieces, and the one that makes the jobs visible.
  assert.equal(commits, 4)
  assert.deepEqual(
    (await store.notEnded()).map(({ id, env }) => [id, env]),
    jobs.map(({ id, env }) => [id, env]),
  )
  assert.equal(outcome.outcome, 'stored')
  await store.close()
  await remove()
})

test('refuses SQL that changes or deletes an audit entry', async () => {
  const { path, open, remove } = await place()
  const store = await open()
  await store.addAudit([{ at: 1, actor: 'ada', via: 'api', action: 'a', outcome: 'done', count: 1 }])
  await store.close()
  const database = new DatabaseSync(path)
  assert.throws(() => database.exec(`update audit set actor = 'bob'`), /never changed/)
  assert.throws(() => database.exec(`delete from audit`), /kept until/)
  database.close()
  await remove()
})

test('serves its pages of jobs from indexes in their order', async (t) => {
  const { path, open, remove } = await place()
  const store = await open()
  const database = new DatabaseSync(path)
  const texts: string[] = []
  const prepare = Object.getOwnPropertyDescriptor(DatabaseSync.prototype, 'prepare')?.value as (
    this: DatabaseSync,
    text: string,
  ) => StatementSync
  t.mock.method(DatabaseSync.prototype, 'prepare', function (this: DatabaseSync, text: string) {
    texts.push(text)
    return prepare.call(this, text)
  })
  /** The plan of what a call of the store reads from the jobs, as it is prepared. */
  const plan = async (read: () => Promise<unknown>): Promise<string> => {
    texts.length = 0
    await read()
    const reads = texts.filter((text) => /from "jobs"|from jobs/.test(text))
    assert.equal(reads.length, 1, texts.join('\n'))
    const steps = prepare.call(database, `explain query plan ${reads[0]}`).all()
    return steps.map(({ detail }) => String(detail)).join('\n')
  }
  const page = { owner: 'ada', limit: 7 } as const
  const some = { ...page, states: ['failed', 'running'] } as const
  const active = ['held', 'queued', 'starting', 'running', 'stopping'] as const
  for (const [read, index, isSorted] of [
    [() => store.notEnded(0, 7), 'jobs_without_end (seq>?)'],
    [() => store.glimpses(0, 7), 'jobs_without_end (seq>?)'],
    [() => store.notEndedOf('ada', {}, 0, 7), 'jobs_not_ended_by_owner (owner=? AND seq>?)'],
    [() => store.tasks('arr', { first: 1, last: 9, after: 0, limit: 7 }), 'jobs_by_array (array_id=? AND seq>?)'],
    [() => store.jobs({ ...page, sort: '-submitted' }), 'jobs_by_owner (owner=?)'],
    [() => store.jobs({ ...page, sort: 'name' }), 'jobs_by_owner_name (owner=?)'],
    [() => store.jobs({ ...page, states: active, sort: '-submitted' }), 'jobs_not_ended_by_owner (owner=?)'],
    [
      () => store.jobs({ ...page, states: ['failed'], sort: '-submitted' }),
      'jobs_by_owner_state (owner=? AND state=?)',
    ],
    // Merges one page of each state: what is sorted has as many rows.
    [() => store.jobs({ ...some, sort: '-submitted' }), 'jobs_by_owner_state (owner=? AND state=?)', true],
    [() => store.jobsByState(), 'jobs_not_ended_by_state', true],
  ] as const) {
    const text = await plan(read)
    assert.ok(text.includes(index), `${index} is not in\n${text}`)
    assert.ok(!/SCAN jobs/.test(text), text)
    assert.equal(/TEMP B-TREE/.test(text), isSorted ?? false, text)
  }
  database.close()
  await store.close()
  await remove()
})

test('serves lists by label from their indexes in their order, and deletes labels with their jobs', async () => {
  const { path, open, remove } = await place()
  const store = await open()
  const job = someJob({ labels: { run: '7', step: 'fit' } })
  await store.submit({ jobs: [job], events: [] })
  const database = new DatabaseSync(path)
  const list = `select jobs.* from job_labels cross join jobs where jobs.seq = job_labels.job and job_labels.owner = ?
    and job_labels.key = ? and jobs.owner = ?`
  const order = 'order by job_labels.job desc limit 51'
  for (const [query, index] of [
    [`${list} and job_labels.value = ? ${order}`, 'job_labels_by_value'],
    [`${list} ${order}`, 'job_labels_by_key'],
  ] as const) {
    const plan = JSON.stringify(database.prepare(`explain query plan ${query}`).all())
    assert.ok(plan.includes(`INDEX ${index}`) && plan.includes('INDEX jobs_by_owner ('), plan)
    assert.ok(!plan.includes('TEMP B-TREE'), plan)
  }
  const rows = () => database.prepare('select count(*) as count from job_labels').get()?.['count']
  assert.equal(rows(), 2)
  const cancel = {
    jobId: job.id,
    at: 1,
    from: 'queued',
    event: { type: 'cancelRequested' },
    fields: { endedAt: 1 },
  } as const
  await store.step([cancel])
  await store.deleteJobsEndedBefore(2, 10)
  assert.equal(rows(), 0)
  database.close()
  await store.close()
  await remove()
})

test('stores no job specification in plain text, and reads plain ones of earlier versions', async () => {
  const { path, open, remove } = await place()
  const secret = 'hunter2-hunter2'
  const store = await open()
  const job = someJob({ cmd: ['login', secret], args: [`--password=${secret}`], env: { PASSWORD: secret } })
  await store.submit({ jobs: [job], events: [] })
  for (const file of await readdir(dirname(path)))
    assert.ok(!(await readFile(join(dirname(path), file), 'latin1')).includes(secret), file)
  const database = new DatabaseSync(path)
  database.prepare('update jobs set spec_sealed = ?').run('no specification')
  const [outline] = await store.jobOutlines({ owner: job.owner, sort: 'submitted', limit: 1 })
  assert.equal(outline?.id, job.id, 'a list without the specification does not read it')
  database.prepare('update jobs set spec_sealed = ?').run(JSON.stringify({ ...job }))
  database.close()
  assert.deepEqual((await store.job(job.id))?.env, job.env)
  await store.close()
  await remove()
})

test('does not create a new key where the key of an existing database is missing', async () => {
  const { path, open, remove } = await place()
  await (await open()).close()
  await rm(join(dirname(path), sealFile))
  await assert.rejects(open(), /seal\.key is missing: it holds the key/)
  await remove()
})
