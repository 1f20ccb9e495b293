import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Job, JobRequest } from '@science-platform/contract'
import { eventually, onKubernetes, Platform, testImage } from './support/platform.ts'
import { PrivateImage } from './support/private-image.ts'
import { Release } from './support/release.ts'

/** The release before the change log. UPGRADE_FROM names another one, such as HEAD~1. */
const commit = process.env['UPGRADE_FROM'] ?? '7dfe64f'
const thisCheckout = fileURLToPath(new URL('..', import.meta.url))
const small = { cores: 1, memoryGb: 1 }
/** A line of a script that waits until the test releases it. */
const until = (file: string): string => `until [ -e ${file} ]; do sleep 0.1; done`
const hour = 3_600_000

// Concurrent, because both tests mostly wait for containers.
describe('an upgrade on a data directory with jobs', { concurrency: true }, () => {
  let release: Release
  let image: PrivateImage
  before(async () => {
    release = await Release.checkOut(commit)
    image = await PrivateImage.push()
  })
  after(async () => {
    await image[Symbol.asyncDispose]()
    await release[Symbol.asyncDispose]()
  })

  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    it(`after ${signal}: nothing is lost, run twice or unreadable`, async () => {
      await using platform = await Platform.make(settings(image), {}, { checkout: release.checkout })
      // Capacity for all jobs, so that jobs wait only for the limit of their owner.
      if (onKubernetes) platform.set('SCIENCE_PLATFORM_KUBERNETES_OVERCOMMIT', '32')
      const scene = new Scene(platform, image)
      await scene.makeUsers()
      await platform.start()
      const before = await scene.play()
      const exitCode = await platform.stop(signal)
      assert.equal(exitCode, signal === 'SIGTERM' ? 0 : null)
      await scene.goOnWithoutServer()
      platform.checkout = thisCheckout
      await platform.start()
      await scene.assertReadable(before)
      await scene.assertGoesOn(before)
    })
})

const settings = (image: PrivateImage): string =>
  [image.settings.trim(), onKubernetes ? '' : 'capacity: {cores: 32, memoryGb: 32}', ''].join('\n')

/** Answers of the old server. */
interface Told {
  readonly ended: readonly { readonly job: Job; readonly events: unknown; readonly log: string }[]
  readonly wire: Readonly<Record<string, readonly { readonly id: string }[]>>
  readonly pages: { readonly first: readonly string[]; readonly cursor: string; readonly all: readonly string[] }
  readonly coreHours: number
  readonly jobToken: string
}

/** The ids of the jobs by their fate. */
type Ids = Readonly<
  Record<'lasting' | 'endsAlone' | 'withToken' | 'stopping' | 'outOfTime' | 'waiting' | 'byLogin' | 'byHeader', string>
>

/** Jobs in every state under the old server, and the checks under the new one. */
class Scene {
  readonly #platform: Platform
  readonly #image: PrivateImage
  readonly #tokens: Record<string, string> = {}
  readonly #keyed = {
    key: 'night-42',
    body: { name: 'keyed', image: testImage, cmd: 'sh', args: ['-c', this.#once('keyed', 'true')], ...small },
  }
  #ids: Partial<Ids> = {}
  #ended: string[] = []
  #keyedIds: string[] = []
  #array: string[] = []
  #held: string[] = []
  #bobs = ''

  constructor(platform: Platform, image: PrivateImage) {
    this.#platform = platform
    this.#image = image
  }

  async makeUsers(): Promise<void> {
    for (const words of [['bob'], ['eve'], ['chief', '--admin']]) await this.#platform.admin('user', 'add', ...words)
    for (const name of ['bob', 'eve', 'chief'])
      this.#tokens[name] = await this.#platform.admin('token', 'create', name, '--scope', 'read,submit,manage')
    this.#tokens['revoked'] = await this.#platform.admin('token', 'create', 'ada')
    await this.#platform.admin('token', 'revoke', 'ada', this.#tokens['revoked'].slice(0, 9))
    // Her limit admits five jobs; the others wait.
    await this.#platform.admin('limit', 'set', 'user', 'ada', '--running', '5')
  }

  /** A script that appends one line in each run. */
  #once(name: string, line: string): string {
    return `echo ${name} >> runs; ${line}`
  }
  #submit(name: string, line: string, request: Partial<JobRequest> = {}): Promise<string> {
    return this.#platform.submit(this.#once(name, line), { name, ...small, ...request })
  }
  #home(file: string): string {
    return join(this.#platform.dataDir, 'arc/home/ada', file)
  }
  #status(token: string): Promise<number> {
    return this.#platform
      .fetch('/api/v1/account', { headers: { authorization: `Bearer ${token}` } })
      .then(async (answer) => {
        await answer.text()
        return answer.status
      })
  }
  #id(name: keyof Ids): string {
    return this.#ids[name] ?? assert.fail(`${name} was not submitted`)
  }

  /** The steps under the old server. Returns its final answers. */
  async play(): Promise<Told> {
    await this.#endSome()
    await this.#login()
    await this.#runSome()
    await this.#haveSomeWait()
    await this.#platform.admin('user', 'disable', 'eve')
    await eventually('the token of eve to be refused', async () => (await this.#status(this.#token('eve'))) === 401)
    return this.#whatIsTold()
  }

  #token(name: string): string {
    return this.#tokens[name] ?? assert.fail(`${name} has no token`)
  }

  async #endSome(): Promise<void> {
    const jobs = this.#platform.jobs()
    const later = await this.#submit('withdrawn', 'true', { after: new Date(Date.now() + hour).toISOString() })
    await jobs.cancel(later)
    this.#ended = [
      later,
      await this.#submit('succeeded', 'echo out; echo to the end'),
      await this.#submit('failed', 'echo out; exit 3'),
      await this.#submit('timed-out', 'exec sleep 600', { timeSeconds: 1, graceSeconds: 0 }),
      await this.#platform.submit('', { name: 'no-command', cmd: 'no-such-program', args: [], ...small }),
      await this.#platform.submit('', { name: 'no-image', image: 'localhost/test/nothing:1', ...small }),
    ]
    const codes = (await jobs.wait(this.#ended)).map(({ cause }) => cause?.code)
    assert.deepEqual(codes, ['cancelled', 'exited', 'exited', 'time-limit', 'command-not-found', 'image-not-found'])
  }

  /** Stores the registry credentials of ada in the platform. */
  async #login(): Promise<void> {
    const { user: username, password: secret } = this.#image.account
    const answer = await this.#platform.fetch(`/api/v1/registries/${this.#image.host}/login`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ username, secret }),
    })
    assert.equal(answer.status, 200, await answer.text())
  }

  async #runSome(): Promise<void> {
    const running = {
      lasting: await this.#submit('lasting', `echo up; ${until('go-on')}; echo down; exit 5`),
      endsAlone: await this.#submit('ends-alone', `echo up; ${until('alone')}; echo down; touch ended-alone; exit 6`),
      withToken: await this.#submit('with-token', `echo "$CANFAR_TOKEN" > token; ${until('go-on')}`, {
        jobToken: true,
      }),
      stopping: await this.#submit(
        'stopping',
        `trap '${until('go-on')}; echo saved; exit 0' TERM; echo up; while :; do sleep 0.1; done`,
        { graceSeconds: 600 },
      ),
      // Its time limit passes while no server runs.
      outOfTime: await this.#submit(
        'out-of-time',
        'trap "echo saved; exit 0" TERM; echo up; while :; do sleep 0.1; done',
        { timeSeconds: 3600 },
      ),
    }
    this.#ids = running
    for (const id of Object.values(running)) await this.#platform.becomes(id, 'running')
    for (const id of [running.lasting, running.endsAlone, running.stopping, running.outOfTime])
      await eventually('its first words', async () => (await this.#platform.logOf(id)) !== '')
    await this.#platform.jobs().cancel(running.stopping)
  }

  async #haveSomeWait(): Promise<void> {
    const header = await this.#image.submit(this.#platform, this.#once('by-header', 'echo fetched'), small)
    this.#ids = {
      ...this.#ids,
      waiting: await this.#submit('waiting', 'echo waited; exit 7'),
      byLogin: await this.#submit('by-login', 'echo fetched', { image: this.#image.reference }),
      byHeader: header,
    }
    const array = { image: testImage, cmd: 'sh', replicas: 3, ...small }
    const jobs = this.#platform.jobs()
    const args = ['-c', this.#once('task-$REPLICA_ID', 'echo "$REPLICA_ID of $REPLICA_COUNT"')]
    this.#array = (await jobs.submit({ name: 'array', args, ...array })).ids
    this.#held = (await jobs.submit({ name: 'held', args: ['-c', this.#once('held', 'true')], ...array })).ids
    this.#keyedIds = await this.#submitKeyed()
    const [bobs = ''] = (
      await this.#platform
        .jobs(this.#token('bob'))
        .submit({ name: 'bobs', image: testImage, cmd: 'true', after: new Date(Date.now() + hour).toISOString() })
    ).ids
    this.#bobs = bobs
    const waiting = [this.#id('waiting'), this.#id('byLogin'), header, ...this.#array, ...this.#held, ...this.#keyedIds]
    for (const id of waiting) assert.equal((await jobs.get(id)).state, 'queued')
  }

  async #submitKeyed(replayed = false): Promise<string[]> {
    const answer = await this.#platform.fetch('/api/v1/jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': this.#keyed.key },
      body: JSON.stringify(this.#keyed.body),
    })
    assert.equal(answer.headers.get('idempotency-replayed'), replayed ? 'true' : null)
    return ((await answer.json()) as { ids: string[] }).ids
  }

  async #whatIsTold(): Promise<Told> {
    const jobs = this.#platform.jobs()
    const first = await jobs.list({ limit: 4, sort: 'name' })
    return {
      ended: await Promise.all(
        this.#ended.map(async (id) => ({
          job: await jobs.get(id),
          events: await jobs.events(id),
          log: await this.#platform.logOf(id),
        })),
      ),
      wire: { v0: await this.#onWire('v0'), v1: await this.#onWire('v1') },
      pages: {
        first: first.jobs.map(({ id }) => id),
        cursor: first.next ?? assert.fail('there is one page only'),
        all: await this.#listed(),
      },
      coreHours: (await jobs.queue()).holders.find(({ kind }) => kind === 'user')?.coreHours ?? 0,
      jobToken: (await readFile(this.#home('token'), 'utf8')).trim(),
    }
  }

  /** The ended jobs on the skaha wire. */
  async #onWire(version: 'v0' | 'v1'): Promise<{ id: string }[]> {
    const sessions = (await (await this.#platform.fetch(`/skaha/${version}/session`)).json()) as { id: string }[]
    return sessions.filter(({ id }) => this.#ended.includes(id))
  }

  /** The ids of all jobs, read in pages. */
  async #listed(cursor?: string): Promise<string[]> {
    const ids: string[] = []
    const from = cursor === undefined ? {} : { cursor }
    for await (const { id } of this.#platform.jobs().listAll({ limit: 4, sort: 'name', ...from })) ids.push(id)
    return ids
  }

  /** The steps between the old server and the new one. */
  async goOnWithoutServer(): Promise<void> {
    await writeFile(this.#home('alone'), '')
    await eventually('a job to end while no server is there', () =>
      readFile(this.#home('ended-alone')).then(
        () => true,
        () => false,
      ),
    )
    const database = new DatabaseSync(join(this.#platform.dataDir, 'platform.db'))
    // The old release has this state, but no command that sets it.
    const places = this.#held.map(() => '?').join(', ')
    database.prepare(`update jobs set state = 'held' where id in (${places})`).run(...this.#held)
    // A short limit might pass while the old server still runs, on a machine with other work: then what waits would start there.
    database.prepare('update jobs set deadline_at = ? where id = ?').run(Date.now(), this.#id('outOfTime'))
    database.close()
    await this.#platform.admin('user', 'disable', 'bob', '--cancel-jobs')
  }

  /** Checks that the new server gives all answers of the old one. */
  async assertReadable(told: Told): Promise<void> {
    const jobs = this.#platform.jobs()
    for (const { job, events, log } of told.ended) {
      assert.partialDeepStrictEqual(await jobs.get(job.id), job)
      assert.partialDeepStrictEqual(await jobs.events(job.id), events)
      assert.equal(await this.#platform.logOf(job.id), log)
    }
    for (const version of ['v0', 'v1'] as const)
      assert.partialDeepStrictEqual(await this.#onWire(version), told.wire[version])
    assert.deepEqual(await this.#listed(), told.pages.all)
    assert.deepEqual([...told.pages.first, ...(await this.#listed(told.pages.cursor))], told.pages.all)
    const coreHours = (await jobs.queue()).holders.find(({ kind }) => kind === 'user')?.coreHours ?? 0
    assert.ok(coreHours >= told.coreHours * 0.999, `${coreHours} core-hours were ${told.coreHours}`)
    assert.deepEqual(await this.#submitKeyed(true), this.#keyedIds)
    for (const [name, status] of [
      ['chief', 200],
      ['bob', 401],
      ['eve', 401],
      ['revoked', 401],
    ] as const)
      assert.equal(await this.#status(this.#token(name)), status, name)
    assert.match(await this.#platform.admin('limit', 'list'), /user +ada +running 5/)
    assert.match(await this.#platform.admin('audit', 'verify'), /unchanged and without gaps/)
  }

  /** Checks that running, stopping and waiting jobs of the old server end under the new one. */
  async assertGoesOn({ jobToken }: Told): Promise<void> {
    const { lasting, endsAlone, withToken, stopping, outOfTime, waiting, byLogin, byHeader } = this.#ids as Ids
    const jobs = this.#platform.jobs()
    for (const [id, state] of Object.entries({ [lasting]: 'running', [withToken]: 'running', [stopping]: 'stopping' }))
      assert.equal((await jobs.get(id)).state, state)
    assert.equal(await this.#status(jobToken), 200)
    for (const id of this.#held) assert.equal((await jobs.get(id)).state, 'held')
    await writeFile(this.#home('go-on'), '')

    const endings: Readonly<Record<string, readonly unknown[]>> = {
      [lasting]: ['failed', 'exited', 5, 'up\ndown\n'],
      [endsAlone]: ['failed', 'exited', 6, 'up\ndown\n'],
      [withToken]: ['succeeded', 'exited', 0, ''],
      [stopping]: ['cancelled', 'cancelled', 0, 'up\nsaved\n'],
      [outOfTime]: ['failed', 'time-limit', 0, 'up\nsaved\n'],
      [waiting]: ['failed', 'exited', 7, 'waited\n'],
      [byLogin]: ['succeeded', 'exited', 0, 'fetched\n'],
      [byHeader]: ['succeeded', 'exited', 0, 'fetched\n'],
      ...Object.fromEntries(this.#array.map((id, i) => [id, ['succeeded', 'exited', 0, `${i + 1} of 3\n`]])),
      ...Object.fromEntries(this.#keyedIds.map((id) => [id, ['succeeded', 'exited', 0, '']])),
    }
    for (const [id, ending] of Object.entries(endings)) {
      const { name, state, cause, exitCode, attempts } = await this.#platform.ended(id)
      // The signal also ends the children of the shell, which prints a line about that.
      const log = (await this.#platform.logOf(id)).replaceAll('Terminated\n', '')
      const found = [state, cause?.code, exitCode, log]
      assert.deepEqual(found, ending, `${name}: ${cause?.message}`)
      assert.equal(attempts.length, 1, name)
    }
    await eventually('the token of an ended job to be refused', async () => (await this.#status(jobToken)) === 401)
    await this.#platform.admin('user', 'enable', 'bob')
    const bob = this.#platform.jobs(await this.#platform.admin('token', 'create', 'bob'))
    assert.match((await bob.get(this.#bobs)).cause?.message ?? '', /owner was disabled/)
    for (const id of this.#held) assert.equal((await jobs.cancel(id)).state, 'cancelled')
    await this.#assertEachRanOnce()
    assert.equal((await this.#platform.run('echo new')).log, 'new\n')
  }

  async #assertEachRanOnce(): Promise<void> {
    const lines = (await readFile(this.#home('runs'), 'utf8')).trim().split('\n')
    const ran = ['succeeded', 'failed', 'timed-out', 'lasting', 'ends-alone', 'with-token', 'stopping', 'out-of-time']
    const waited = ['waiting', 'by-login', 'by-header', 'task-1', 'task-2', 'task-3', 'keyed']
    assert.deepEqual(lines.toSorted(), [...ran, ...waited].toSorted())
  }
}
