import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { defaultPolicy } from './policy/policy-of.ts'
import { InvalidConfiguration } from './invalid-configuration.ts'
import { knownKeys, readConfig } from './read.ts'
import { FileConfig } from './schema.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sp-config-'))
})
after(() => rm(folder, { recursive: true }))

async function read(yaml: string | undefined, env: Record<string, string> = {}, flags = {}) {
  const file = yaml === undefined ? undefined : join(folder, 'config.yaml')
  if (file !== undefined) await writeFile(file, yaml ?? '')
  return readConfig({ file, env, flags })
}
const refused = (yaml: string | undefined, message: RegExp, env = {}, flags = {}) =>
  assert.rejects(read(yaml, env, flags), (error: Error) => {
    assert.ok(error instanceof InvalidConfiguration, String(error))
    assert.match(error.message, message)
    return true
  })

test('defaults are complete but for the data directory', async () => {
  const config = await read(undefined, {}, { dataDir: '/data' })
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 8080 })
  assert.deepEqual(config.images, {
    registries: ['images.canfar.net'],
    aliases: {},
    insecure: [],
    tokenHosts: {},
    refreshMinutes: 30,
    waitSeconds: 600,
  })
  assert.equal(config.limits.logMb, 64)
  assert.equal(config.retention.jobsDays, 365)
  await refused(undefined, /no data directory.*--data DIR/)
})

test('the format of the log is text or json, and absent it follows the terminal', async () => {
  assert.deepEqual((await read('dataDir: /d\n')).log, {})
  const yaml = 'dataDir: /d\nlog: {format: text}\n'
  assert.deepEqual((await read(yaml)).log, { format: 'text' })
  const env = { SCIENCE_PLATFORM_LOG_FORMAT: 'json' }
  assert.deepEqual((await read(yaml, env)).log, { format: 'json' })
  assert.deepEqual((await read(yaml, env, { logFormat: 'text' })).log, { format: 'text' })
  await refused('dataDir: /d\nlog: {format: xml}\n', /log\.format .*"xml"/)
})

test('the command line overrides the environment, which overrides the file', async () => {
  const yaml = 'dataDir: /file\nlisten: 127.0.0.1:1\nimages: {registries: [a.org], aliases: {a.org: 127.0.0.1:5000}}\n'
  const env = { SCIENCE_PLATFORM_LISTEN: '[::1]:2', SCIENCE_PLATFORM_IMAGES_REGISTRIES: 'b.org, c.org' }
  const config = await read(yaml, env, { dataDir: '/flag' })
  assert.equal(config.dataDir, '/flag')
  assert.deepEqual(config.listen, { host: '::1', port: 2 })
  assert.deepEqual(config.images.registries, ['b.org', 'c.org'])
  assert.deepEqual(config.images.aliases, { 'a.org': '127.0.0.1:5000' })
})

test('an unknown key is named with its line and the nearest known one', async () => {
  await refused(
    'dataDir: /d\nretention:\n  logDays: 3\n',
    /line 3: the key retention\.logDays is not known; did you mean retention\.logsDays\?/,
  )
  await refused('zzz: 1\n', /line 1: the key zzz is not known; known are listen/)
  await refused('dataDir: /d\n', /SCIENCE_PLATFORM_LISTN is not known; did you mean SCIENCE_PLATFORM_LISTEN\?/, {
    SCIENCE_PLATFORM_LISTN: 'x',
  })
})

test('a value of the wrong type is quoted', async () => {
  await refused('dataDir: /d\nlimits: {processes: few}\n', /limits\.processes must be integer; it was "few"/)
  await refused('dataDir: /d\nlisten: nowhere\n', /listen .*"nowhere"/)
  await refused('dataDir: /d\nlisten: a:99999\n', /99999/)
  await refused('dataDir: [\n', /config\.yaml/)
  await refused('- a\n', /expected keys and values/)
})

test('a proxy is an address or a range', async () => {
  const config = await read('dataDir: /d\ntrustedProxies: [10.0.0.7, 10.0.0.0/8, "fd00::/8"]')
  assert.deepEqual(config.trustedProxies, ['10.0.0.7', '10.0.0.0/8', 'fd00::/8'])
  for (const proxy of ['proxy.example.org', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0.0/', 'loopback'])
    await refused(`dataDir: /d\ntrustedProxies: ["${proxy}"]`, /trustedProxies has .*; it takes addresses/)
})

test('keys without an effect are accepted and named', async () => {
  const config = await read('dataDir: /d\nqueue: {backfill: {safety: 2, reservations: 5}, points: {deadline: 3}}')
  assert.deepEqual(config.unusedKeys, ['queue.points.deadline', 'queue.backfill.safety'])
  assert.equal(config.policy.backfill.reservations, 5)
  assert.deepEqual((await read('dataDir: /d')).unusedKeys, [])
})

test('invalid rules of the queue are refused with the reason', async () => {
  const cases: Record<string, RegExp> = {
    'queue: {halfLifeHours: 0}': /queue\.halfLifeHours: it is 0\. Use a number from/,
    'queue: {halfLifeHours: -1}': /queue\.halfLifeHours: it is -1/,
    'queue: {halfLifeHours: .nan}': /queue\.halfLifeHours must be number/,
    'queue: {halfLifeHours: .inf}': /queue\.halfLifeHours must be number/,
    'queue: {halfLifeHours: 1e99}': /queue\.halfLifeHours: it is 1e\+99/,
    'queue: {backfill: {confidence: 1}}': /queue\.backfill\.confidence: it is 1/,
    'queue: {classes: {small: {cores: 20, memoryGb: 16}}}': /queue\.classes/,
    'queue: {offPeak: {days: [mon], from: "25:00", to: "08:00", timezone: UTC}}': /queue\.offPeak\.from.*"25:00"/,
    'queue: {offPeak: {days: [mon], from: "18:00", to: "08:00", timezone: Europe/Atlantis}}':
      /"Europe\/Atlantis" is not a time zone/,
    'queue: {offPeak: {days: [monday], from: "18:00", to: "08:00", timezone: UTC}}': /queue\.offPeak\.days/,
    'queue: {offPeak: {days: [], from: "18:00", to: "08:00", weekends: friday, timezone: UTC}}':
      /queue\.offPeak\.weekends/,
    'limits: {user: {cores: -4}}': /limits\.user\.cores: it is -4/,
    'limits: {group: {running: 1.5}}': /limits\.group\.running: it is 1\.5/,
    'limits: {user: {offPeak: {cores: -1}}}': /limits\.user\.offPeak\.cores: it is -1/,
    'limits: {user: {coers: 4}}': /did you mean limits\.user\.cores\?/,
  }
  for (const [yaml, message] of Object.entries(cases)) await refused(`dataDir: /d\n${yaml}\n`, message)
})

test('rules of the queue are read from the file and the environment, over defaults', async () => {
  const yaml =
    'dataDir: /d\nlimits: {user: {cores: 64, offPeak: {cores: 128}}, group: {cores: 256}}\n' +
    'queue: {offPeak: {days: [mon, fri], from: "18:00", to: "08:00", timezone: America/Vancouver}}\n'
  const { policy } = await read(yaml, { SCIENCE_PLATFORM_QUEUE_HALF_LIFE_HOURS: '24' })
  assert.deepEqual(policy.limits, {
    user: { cores: 64, queued: 100_000, offPeak: { cores: 128 } },
    group: { cores: 256 },
  })
  assert.deepEqual(policy.offPeak?.days, ['mon', 'fri'])
  assert.equal(policy.offPeak.weekends, true)
  assert.equal(policy.halfLifeHours, 24)
  const elsewhere = await read(yaml, { SCIENCE_PLATFORM_QUEUE_OFF_PEAK_WEEKENDS: '[fri, sat]' })
  assert.deepEqual(elsewhere.policy.offPeak?.weekends, ['fri', 'sat'])
  assert.deepEqual((await read('dataDir: /d\n')).policy.limits.user, { queued: 100_000 })
})

test('docs/configuration.md lists every key, and its example is valid', async () => {
  const page = await readFile(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8')
  const told = [...page.matchAll(/^\| `([A-Za-z.]+)` \| `([A-Z_]+)`/gm)].map(
    ([, key, variable]) => `${key} ${variable}`,
  )
  assert.deepEqual(
    told.toSorted(),
    knownKeys(FileConfig)
      .map(({ path, variable }) => `${path.join('.')} ${variable}`)
      .toSorted(),
  )
  const { limits: _, ...others } = defaultPolicy
  // Two keys are accepted and have no effect (docs/decisions/0007, 0015).
  const rules = {
    ...others,
    points: { ...others.points, deadline: 'none' },
    backfill: { ...others.backfill, safety: 'none' },
  }
  for (const { path } of knownKeys(FileConfig)) {
    const key = path.join('.')
    if (!key.startsWith('queue.') || key.startsWith('queue.offPeak.')) continue
    const value = path.slice(1).reduce<unknown>((part, name) => (part as Record<string, unknown>)[name], rules)
    const said = new RegExp(`^\\| \`${key.replaceAll('.', '\\.')}\` \\| \`[A-Z_]+\` \\| (.*?) \\|`, 'm').exec(page)?.[1]
    assert.equal(said, String(value), `the default of ${key}`)
  }
  const example = /```yaml\n([^]*?)```/.exec(page)?.[1]
  const config = await read(example)
  assert.equal(config.publicUrl, 'https://batch.example.org')
})

test('registries are hosts with an optional beginning of a path, in either case; other values are refused', async () => {
  const registries = async (text: string) =>
    (await read(undefined, { SCIENCE_PLATFORM_IMAGES_REGISTRIES: text }, { dataDir: '/d' })).images.registries
  assert.deepEqual(await registries('Images.CANFAR.net/,other.example:5000/astro/tools'), [
    'images.canfar.net',
    'other.example:5000/astro/tools',
  ])
  for (const wrong of ['https://images.canfar.net', 'a.b:99999', 'localhost', 'registry', 'a.b/Upper', 'a.b/../c'])
    await assert.rejects(registries(wrong), /^InvalidConfiguration: images\.registries has/, wrong)
})
