import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Images, ProblemError } from '@science-platform/client'
import type { ImagePull, Job } from '@science-platform/contract'
import { machineArchitecture } from '../packages/server/src/image/manifest.ts'
import { busyboxImage } from '../packages/server/src/image/testing/busybox-image.ts'
import { startRecordingProxy, type RecordingProxy } from '../packages/server/src/image/testing/recording-proxy.ts'
import { pushImage, startRegistry, type TestRegistry } from '../packages/server/src/image/testing/registry.ts'
import { filesBelow, textOf } from './support/files.ts'
import { eventually, Platform } from './support/platform.ts'

const canfarProgram = fileURLToPath(new URL('../bin/canfar', import.meta.url))
const account = { user: 'ada', password: 'love:lace-7f3' }
const others = { user: 'eve', password: 'snake-9d1' }

let platform: Platform
/** Registries of images that only ada, all users, and only eve may read. */
let registries: { own: TestRegistry; open: TestRegistry; other: TestRegistry }
let ways: { own: RecordingProxy; open: RecordingProxy; other: RecordingProxy }
let bob: string
let digest: string

before(async () => {
  platform = await Platform.make()
  const at = (name: string) => join(platform.folder, name)
  registries = {
    own: await startRegistry(at('own'), { account }),
    open: await startRegistry(at('open')),
    other: await startRegistry(at('other'), { account: others }),
  }
  ways = {
    own: await startRecordingProxy(registries.own.host),
    open: await startRecordingProxy(registries.open.host),
    other: await startRecordingProxy(registries.other.host),
  }
  const archive = join(platform.folder, 'archive.tar')
  const labels = { 'ca.nrc.cadc.skaha.type': 'notebook, headless' }
  digest = await busyboxImage({
    archive,
    entrypoint: ['/bin/echo', 'from'],
    cmd: ['a registry'],
    env: ['COLOUR=blue'],
    labels,
  })
  await pushImage(archive, registries.own, 'team/private:1', { account })
  await pushImage(archive, registries.own, 'team/other:1', { account })
  await pushImage(archive, registries.other, 'team/private:1', { account: others })
  await pushImage(archive, registries.open, 'team/public:1')
  await appendFile(
    platform.config,
    `images:
  registries: [own.test, open.test, other.test]
  aliases: {own.test: "${ways.own.host}", open.test: "${ways.open.host}", other.test: "${ways.other.host}"}
  insecure: ["${ways.own.host}", "${ways.open.host}", "${ways.other.host}"]
`,
  )
  await platform.admin('user', 'add', 'bob')
  bob = await platform.admin('token', 'create', 'bob')
  await platform.start()
})
after(async () => {
  await platform[Symbol.asyncDispose]()
  for (const each of [...Object.values(ways), ...Object.values(registries)]) await each.stop()
})

/** Runs `canfar` as ada. */
async function canfar(words: readonly string[], input = ''): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = await platform.userEnvironment()
  return new Promise((resolve) => {
    const child = execFile(canfarProgram, words, { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
    child.stdin?.end(input)
  })
}

async function run(image: string, token = platform.token): Promise<Job> {
  const { ids } = await platform.jobs(token).submit({ name: 'test', image })
  const [job] = await platform.jobs(token).wait(ids, { signal: AbortSignal.timeout(120_000) })
  if (job === undefined) throw new Error('no job came back')
  return job
}
const images = (token = platform.token) => new Images({ url: platform.url, token })
const authorizations = ({ requests }: RecordingProxy): string[] =>
  requests.flatMap(({ authorization }) => (authorization === undefined ? [] : [authorization]))
/** Files of attempts may disappear during the search. */
const isProblem = (type: string) => (error: unknown) => error instanceof ProblemError && error.type === type

test('credentials that the registry refuses are not stored', async () => {
  const refused = await canfar(['registry', 'login', 'own.test', '-u', 'ada', '--password-stdin'], 'wrong\n')
  assert.equal(refused.code, 6, refused.stderr)
  assert.match(refused.stderr, /refuses this user name and secret; nothing was stored/)
  const nowhere = await canfar(['registry', 'login', 'evil.test', '-u', 'ada', '--password-stdin'], 'x\n')
  assert.equal(nowhere.code, 3)
  assert.match(nowhere.stderr, /own\.test, open\.test, other\.test/)
  assert.deepEqual(
    (await images().registries()).filter(({ login }) => login !== undefined),
    [],
  )
})

test('stored credentials run a private image, are sent only to their registry, and are in no file and no log line', async () => {
  const stored = await canfar(
    ['registry', 'login', 'own.test', '-u', account.user, '--password-stdin'],
    account.password,
  )
  assert.equal(stored.stdout, 'Stored credentials of ada for own.test.\n', stored.stderr)
  assert.match((await canfar(['registry', 'list'])).stdout, /^own\.test +ada +\d{4}-/m)
  const job = await run('own.test/team/private:1')
  assert.deepEqual([job.state, job.imageDigest], ['succeeded', digest])
  assert.equal(await platform.logOf(job.id), 'from a registry\n')
  assert.equal((await run('open.test/team/public:1')).state, 'succeeded')
  assert.ok(authorizations(ways.own).length > 0)
  assert.deepEqual([authorizations(ways.open), authorizations(ways.other)], [[], []])

  const secrets = [account.password, Buffer.from(`${account.user}:${account.password}`).toString('base64')]
  const files = await filesBelow(platform.dataDir, (path) => !path.endsWith('/roots'))
  const texts = await Promise.all(files.map(textOf))
  for (const secret of secrets) {
    assert.ok(!platform.log.includes(secret))
    assert.deepEqual(
      files.filter((_, i) => texts[i]?.includes(secret) === true),
      [],
    )
  }
})

test('an image that one user fetched does not run for users without access, under any name', async () => {
  const names = ['own.test/team/private:1', `own.test/team/private@${digest}`, `localhost/team/private@${digest}`]
  for (const image of [...names, `open.test/team/other@${digest}`, `other.test/team/private@${digest}`]) {
    const { state, cause } = await run(image, bob)
    assert.equal(state, 'failed', image)
    assert.match(cause?.code ?? '', /^image-(unauthorized|not-found)$/)
  }
  await assert.rejects(images(bob).get('own.test/team/private:1'), isProblem('image-unauthorized'))
  const told = async (token: string) =>
    (await images(token).list({ name: 'private' })).images.map((each) => each.reference)
  assert.deepEqual(await told(bob), [])
  assert.deepEqual(await told(platform.token), ['own.test/team/private:1'])
})

test('image info shows contents and the last use to the user of an image, and not to others', async () => {
  const image = await images().get('own.test/team/private:1')
  assert.deepEqual(
    [image.digest, image.entrypoint, image.cmd, image.env, image.types, image.here, image.runsHere, image.lastUsed?.by],
    [digest, ['/bin/echo', 'from'], ['a registry'], ['COLOUR=blue'], ['notebook', 'headless'], true, true, 'ada'],
  )
  assert.deepEqual([image.os, image.architecture], ['linux', machineArchitecture])
  // Busybox, compressed.
  assert.ok(image.sizeBytes > 300_000 && image.sizeBytes < 3_000_000, String(image.sizeBytes))
  const theirs = await images(bob).get('open.test/team/public:1')
  assert.equal(theirs.lastUsed, undefined)
  const { stdout } = await canfar(['image', 'info', 'own.test/team/private:1'])
  assert.match(stdout, /^Variables +COLOUR=blue$/m)
  assert.ok(
    stdout.split('\n').every((line) => line.length <= 80 || line.includes('sha256:')),
    stdout,
  )
  const [made] = (await platform.admin('image', 'info', 'own.test/team/private:1'))
    .split('\n')
    .filter((line) => line.includes('last run'))
  assert.match(made ?? '', /by ada/)
})

test('an image is fetched before jobs need it, and failures are reported', async () => {
  const { code, stdout, stderr } = await canfar(['image', 'pull', 'own.test/team/other:1', '--json'])
  assert.equal(code, 0, stderr)
  assert.deepEqual((JSON.parse(stdout) as ImagePull).state, 'present')
  assert.equal((await images().list({ name: 'team/other', here: true })).images.length, 1)
  const failed = await canfar(['image', 'pull', 'own.test/team/none:1'])
  assert.equal(failed.code, 1)
  assert.match(failed.stderr, /^canfar: The registry .* has no image own\.test\/team\/none:1\.$/m)
})

test('images are listed from the last listing, also while registries are down and after a crash', async () => {
  const listed = await eventually('the open registry to be listed', async () =>
    (await images().registries()).find(({ registry, images: count }) => registry === 'open.test' && count > 0),
  )
  assert.equal(listed.fault, undefined)
  const { stdout } = await canfar(['image', 'ls', '--json'])
  const all = JSON.parse(stdout) as { id: string; types: string[]; digest: string }[]
  assert.deepEqual(
    all.find(({ id }) => id === 'open.test/team/public:1'),
    {
      id: 'open.test/team/public:1',
      types: ['notebook', 'headless'],
      digest,
    },
  )
  // An image fetched with credentials is listed only for its users.
  const privateOnes = (list: readonly { id: string }[]) =>
    list.map(({ id }) => id).filter((id) => id.includes('private'))
  assert.deepEqual(privateOnes(all), ['own.test/team/private:1'])
  const bobs = await platform.fetch('/skaha/v1/image', { headers: { authorization: `Bearer ${bob}` } })
  assert.deepEqual(privateOnes((await bobs.json()) as { id: string }[]), [])

  ways.open.answerInstead = () => ({ status: 503 })
  await platform.stop('SIGKILL')
  await platform.start()
  const fault = await eventually('the registry to be missed', async () =>
    (await images().registries()).find(({ registry, fault }) => registry === 'open.test' && fault !== undefined),
  )
  assert.deepEqual([fault.fault, fault.images], ['it could not be reached', 1])
  assert.match((await canfar(['registry', 'list'])).stdout, /^open\.test: it could not be reached$/m)
  assert.ok((await images().list({ name: 'open.test/team/public:1' })).images.length === 1)
  assert.equal((await platform.fetch('/readyz')).status, 200)
  delete ways.open.answerInstead
})

test('credentials survive a crash, and are removed on logout', async () => {
  assert.equal((await run('own.test/team/other:1')).state, 'succeeded')
  const { stdout } = await canfar(['registry', 'logout', 'own.test'])
  assert.equal(stdout, 'Deleted your credentials for own.test.\n')
  const { state, cause } = await run('own.test/team/other:1')
  assert.deepEqual([state, cause?.code], ['failed', 'image-unauthorized'])
  assert.equal((await canfar(['registry', 'logout', 'own.test'])).code, 3)
})

test('credentials are not sent to an address that an alias now replaces', async () => {
  await images().logIn('own.test', { username: account.user, secret: account.password })
  await platform.stop()
  const config = await readFile(platform.config, 'utf8')
  await writeFile(platform.config, config.replace(`own.test: "${ways.own.host}"`, `own.test: "${ways.other.host}"`))
  ways.other.requests.length = 0
  await platform.start()
  const { cause } = await run('own.test/team/private:1')
  assert.equal(cause?.code, 'image-unauthorized')
  assert.ok(ways.other.requests.length > 0)
  assert.deepEqual(authorizations(ways.other), [])
})
