import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Job } from '@science-platform/contract'
import { pushImage, startRegistry, type TestRegistry } from '../../../packages/server/src/image/testing/registry.ts'
import { eventually, Platform } from '../../support/platform.ts'
import { pythonPrograms } from '../../support/python-environment.ts'
import {
  clientsHere,
  emptyEnvironment,
  ourCanfar,
  ourShell,
  PublishedClient,
  run,
  type ClientName,
  type Ending,
} from '../published-client.ts'
import { examplesOfGuide } from './guide.ts'

/** The Python packages of this checkout. */
const python = fileURLToPath(new URL('../../../python', import.meta.url))

/** The images in the guide. */
const images = ['skaha/astroml:latest', 'skaha/casa:6.5', 'myproject/processor:latest']

/** Today's date in the format of the examples. A test that begins before midnight may end after it. */
const [today, tomorrow] = [0, 1].map((days) =>
  new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10).replaceAll('-', ''),
) as [string, string]

/** The files of the guide's jobs under /arc/projects. */
const files: Readonly<Record<string, string>> = {
  'myproject/scripts/reduce_data.py': 'print("reduced")\n',
  'myproject/test_script.py': 'print("tested")\n',
  'myproject/analysis.py': 'print("analysed")\n',
  'survey/pipelines/reduce_night.py':
    'import os, sys\nnight = sys.argv[1]\nprint("night", os.path.basename(night), *sorted(os.listdir(night)))\n',
  [`survey/data/${today}/frame-1.fits`]: '',
  [`survey/data/${tomorrow}/frame-1.fits`]: '',
  'study/analyze.py': 'import os\nprint("point", os.environ["REPLICA_ID"], "of", os.environ["REPLICA_COUNT"])\n',
  'data/large_dataset.h5': '',
  'myproject/large_dataset/intensive_processing.py':
    'import os\nopen("result.fits", "w").write(os.getcwd())\nopen("run.log", "w").write("done")\n',
}

let folder: string
let registry: TestRegistry
let platform: Platform

before(async () => {
  const { stdout } = await promisify(execFile)(fileURLToPath(new URL('build-image', import.meta.url)))
  folder = await mkdtemp(join(tmpdir(), 'sp-guide-'))
  registry = await startRegistry(join(folder, 'registry'))
  for (const image of images) await pushImage(stdout.trim(), registry, image)
  platform = await Platform.make(
    [
      'capacity: {cores: 32, memoryGb: 128}',
      `images: {registries: [images.canfar.net], aliases: {images.canfar.net: '${registry.host}'}, insecure: ['${registry.host}']}`,
      '',
    ].join('\n'),
  )
  const projects = join(platform.dataDir, 'arc/projects')
  for (const project of ['myproject', 'study', 'data', 'results'])
    await platform.admin('project', 'add', project, '--group', 'survey')
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(projects, path, '..'), { recursive: true })
    await writeFile(join(projects, path), content)
  }
  await mkdir(join(projects, 'myproject/logs'))
  await chmod(join(projects, 'myproject/logs'), 0o2770)
  await platform.start()
})
after(async () => {
  await platform[Symbol.asyncDispose]()
  await registry.stop()
  await rm(folder, { recursive: true })
})

/** A reader of the guide. Each reader is a separate user, because the examples reuse job names. */
interface Reader {
  readonly token: string
  readonly environment: NodeJS.ProcessEnv
}

async function newReader(name: string, version: 'v0' | 'v1' = 'v1'): Promise<Reader> {
  await platform.admin('user', 'add', name, '--group', 'survey')
  const token = await platform.admin('token', 'create', name)
  const environment = await emptyEnvironment(platform, name)
  return { token, environment: { ...environment, CANFAR_URL: `${platform.url}/skaha/${version}`, CANFAR_TOKEN: token } }
}

/** Waits for a reader's jobs with a name or name prefix, and returns the jobs with their logs. */
async function results({ token }: Reader, name: string, count = 1): Promise<{ job: Job; log: string }[]> {
  const jobs = platform.jobs(token)
  const { jobs: found } = await jobs.list({ name, limit: 1000 })
  assert.equal(found.length, count, `jobs named ${name}`)
  const ended = await jobs.wait(
    found.map(({ id }) => id),
    { signal: AbortSignal.timeout(300_000) },
  )
  return Promise.all(ended.map(async (job) => ({ job, log: await logOf({ token }, job.id) })))
}

/** The log of a reader's job. */
async function logOf({ token }: Pick<Reader, 'token'>, id: string): Promise<string> {
  const headers = { authorization: `Bearer ${token}` }
  return (await fetch(`${platform.url}/api/v1/jobs/${id}/logs`, { headers })).text()
}

/** Checks name, log and success of a reader's only job. */
async function assertResult(reader: Reader, name: string, log: string): Promise<Job> {
  const [result] = await results(reader, '')
  assert.ok(result !== undefined)
  assert.deepEqual([result.job.name, result.log, result.job.state], [name, log, 'succeeded'], JSON.stringify(result))
  return result.job
}

/** Checks that a reader's only job reduced the data of its submission day. */
async function assertNight(reader: Reader): Promise<void> {
  const [result] = await results(reader, '')
  const day = result?.job.name.endsWith(tomorrow) === true ? tomorrow : today
  await assertResult(reader, `nightly-reduction-${day}`, `night ${day} frame-1.fits\n`)
}

function succeeded({ code, stdout, stderr }: Ending): string {
  assert.equal(code, 0, stdout + stderr)
  return stdout
}

/** Starts a job that prints `working` and runs until it is stopped, for examples about running jobs. */
async function running(reader: Reader, line = 'echo working; exec sleep 600'): Promise<string> {
  const image = 'images.canfar.net/skaha/astroml:latest'
  const args = [
    'create',
    '-q',
    '-n',
    'subject',
    '-c',
    '2',
    '-m',
    '1',
    '--grace',
    '1',
    'headless',
    image,
    '--',
    'sh',
    '-c',
    line,
  ]
  const id = succeeded(await ourCanfar(args, reader.environment)).trim()
  await eventually('it to run', async () => (await platform.jobs(reader.token).get(id)).state === 'running')
  await eventually('it to have written something', async () => (await logOf(reader, id)) !== '')
  return id
}

const withId = (code: string, id: string): string => code.replaceAll('<session-id>', id)

/** The way to run an example. */
type Way = (code: string) => void

/** Examples without any client. */
const notOurs: Way = () => undefined

/** Runs an example with our command line as `canfar`. `check` receives its output. */
const byOurs =
  (name: string, check: (reader: Reader, stdout: string) => Promise<void>): Way =>
  (code) => {
    it(`by our command line: ${firstWords(code)}`, async () => {
      const reader = await newReader(name)
      await check(reader, succeeded(await ourShell(code, reader.environment)))
    })
  }

/** Runs an example about a running job with our command line and the published ones. */
const aboutAJob =
  (
    name: string,
    who: readonly ('ours' | ClientName)[],
    check: (id: string, ending: Ending, reader: Reader) => unknown,
    input = '',
  ): Way =>
  (code) => {
    for (const one of who) {
      it(`by ${one}: ${firstWords(code)}`, async () => {
        const reader = await newReader(`${name}-${one.replace(/\W/g, '-')}`)
        const id = await running(reader)
        const script = withId(code, id)
        try {
          const ending =
            one === 'ours'
              ? await ourShell(script, reader.environment)
              : await (await PublishedClient.install(one)).shell(script, reader.environment, input)
          succeeded(ending)
          await check(id, ending, reader)
        } finally {
          await platform.jobs(reader.token).cancel(id)
        }
      })
    }
  }

const published = clientsHere.filter((name) => name !== 'skaha-1.7.0')
const publishedAndOurs = ['ours', ...published] as const

/** Runs an example with our Python client, where nothing but the import is changed. */
function byOurPython(
  name: string,
  code: string,
  version: 'v0' | 'v1',
  check: (reader: Reader, stdout: string) => Promise<void>,
): void {
  it(`by our Python client: ${firstWords(code)}`, async () => {
    const reader = await newReader(`${name}-python`, version)
    const changed = code.replace('from canfar.sessions import', 'from science_platform.sessions import')
    assert.notEqual(changed, code)
    const environment = { ...reader.environment, PYTHONPATH: join(python, 'client/src') }
    const programs = await pythonPrograms(join(python, 'environment.txt'))
    await check(reader, succeeded(await run(join(programs, 'python'), ['-c', changed], environment)))
  })
}

/** Runs an example unchanged with the published libraries, and with ours. */
const byPublished =
  (name: string, version: 'v0' | 'v1', check: (reader: Reader, stdout: string) => Promise<void>): Way =>
  (code) => {
    byOurPython(name, code, version, check)
    for (const client of published) {
      it(`by ${client}: ${firstWords(code)}`, async () => {
        const reader = await newReader(`${name}-${client.replace(/\W/g, '-')}`, version)
        const installed = await PublishedClient.install(client)
        await check(reader, succeeded(await installed.python(['-c', code], reader.environment)))
      })
    }
  }

/**
 * Checks an example whose `args` is a list. Our Python client runs it. The published libraries refuse it before any request, so the
 * test uses an unreachable server. With `args` as one text it runs with them too.
 */
const refusedForItsList =
  (name: string, check: (reader: Reader) => Promise<void>): Way =>
  (code) => {
    byOurPython(name, code, 'v1', check)
    for (const client of published) {
      it(`refused by ${client} itself, and run with args as text: ${firstWords(code)}`, async () => {
        const reader = await newReader(`${name}-${client.replace(/\W/g, '-')}`)
        const installed = await PublishedClient.install(client)
        const nowhere = { ...reader.environment, CANFAR_URL: 'http://127.0.0.1:9/skaha/v1' }
        const refused = await installed.python(['-c', code], nowhere)
        assert.equal(refused.code, 1)
        assert.match(refused.stderr, /args\s+Input should be a valid string/)
        const asText = code.replace(/args=(\[[^\]]*\])/, 'args=" ".join($1)')
        assert.notEqual(asText, code)
        succeeded(await installed.python(['-c', asText], reader.environment))
        await check(reader)
      })
    }
  }

const firstWords = (code: string): string =>
  (code.split('\n').find((line) => line.trim() !== '' && !line.startsWith('#')) ?? '').slice(0, 60)

/** All examples of the guide in their order, each with text that it must contain and the way to run it. */
const ways: readonly (readonly [words: string, way: Way])[] = [
  [
    'canfar auth login\n',
    (code) => {
      it('by our command line, with the login that was saved: canfar auth login, canfar create', async () => {
        const reader = await newReader('reduction')
        const { CANFAR_URL: url = '', CANFAR_TOKEN: token = '', ...loggedIn } = reader.environment
        succeeded(await ourCanfar(['auth', 'login', '--server', url, '--token', '-'], loggedIn, `${token}\n`))
        assert.match(succeeded(await ourShell(code, loggedIn)), /^Logged in to \S+ as reduction\.$/m)
        const job = await assertResult(reader, 'data-reduction-job', 'reduced\n')
        assert.deepEqual([job.resources.cores.request, job.resources.memoryGb.request], [4, 16])
      })
    },
  ],
  ['submit_reduction.sh', byOurs('night', assertNight)],
  ['submit_reduction.py', refusedForItsList('submit', assertNight)],
  ['# Snakemake example', notOurs],
  [
    '--name "test-small"',
    byOurs('small', async (reader) => {
      await assertResult(reader, 'test-small', 'tested\n')
    }),
  ],
  ['Memory-efficient data processing', notOurs],
  [
    'Use /scratch/ for I/O intensive operations',
    (code) => {
      it('in a job: Use /scratch/ for I/O intensive operations', async () => {
        const reader = await newReader('scratch')
        const image = 'images.canfar.net/skaha/astroml:latest'
        const create = ['create', '--follow', '-n', 'scratch', 'headless', image, '--', 'bash', '-c', code]
        const stdout = succeeded(await ourCanfar(create, reader.environment))
        assert.match(stdout, /^Copying data to scratch\.\.\.\n[^]*\nSaving results\.\.\.\nProcessing complete\n$/)
        const project = join(platform.dataDir, 'arc/projects/myproject')
        const [day = ''] = await readdir(join(project, 'results'))
        assert.ok([today, tomorrow].includes(day), day)
        assert.equal(await readFile(join(project, 'results', day, 'result.fits'), 'utf8'), '/scratch/working')
        assert.equal(await readFile(join(project, 'logs/run.log'), 'utf8'), 'done')
      })
    },
  ],
  ['from multiprocessing import Pool', notOurs],
  ['import cupy as cp', notOurs],
  ['import psutil', notOurs],
  [
    '--name "my-analysis-job"',
    byOurs('analysis', async (reader) => {
      await assertResult(reader, 'my-analysis-job', 'analysed\n')
    }),
  ],
  [
    'canfar ps\n',
    aboutAJob('ps', publishedAndOurs, (id, { stdout }) => assert.match(stdout, new RegExp(`${id} +subject `))),
  ],
  [
    'canfar info <session-id>',
    aboutAJob('info', publishedAndOurs, (id, { stdout }) => assert.match(stdout, new RegExp(`\\b${id}\\b`))),
  ],
  [
    'canfar delete <session-id>',
    aboutAJob(
      'delete',
      publishedAndOurs,
      async (id, _ending, { token }) => {
        const [job] = await platform.jobs(token).wait([id], { signal: AbortSignal.timeout(120_000) })
        assert.equal(job?.state, 'cancelled')
      },
      'y\n',
    ),
  ],
  [
    'canfar logs <session-id>\n',
    aboutAJob('logs', publishedAndOurs, (_id, { stdout }) => assert.match(stdout, /^working$/m)),
  ],
  [
    'canfar stats <session-id>',
    aboutAJob('stats', ['ours'], (id, { stdout }) => assert.match(stdout, new RegExp(`^${id} +running `, 'm'))),
  ],
  // The environments of the published clients equal the result of this example, except for pinned versions.
  ['pip install canfar', notOurs],
  [
    'name="python-analysis"',
    refusedForItsList('python', async (reader) => {
      await assertResult(reader, 'python-analysis', 'analysed\n')
    }),
  ],
  [
    'name="heavy-computation"',
    refusedForItsList('heavy', async (reader) => {
      const log = 'processing /arc/projects/data/large_dataset.h5 into /arc/projects/results/ as hdf5 with 8 threads\n'
      await assertResult(reader, 'heavy-computation', log)
    }),
  ],
  [
    'name="monitored-job"',
    // The example waits for Succeeded, the /v0 word for Completed of /v1.
    byPublished('monitor', 'v0', async (reader, stdout) => {
      assert.match(stdout, /^Active sessions: 0$/m)
      assert.match(stdout, /^Status: (Pending|Running)$/m)
      assert.match(stdout, /^Start time: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/m)
      assert.match(stdout, /^Job completed with status: Succeeded\nJob output:\n\n$/m)
      await assertResult(reader, 'monitored-job', '')
    }),
  ],
  [
    'name="parameter-study"',
    byPublished('study', 'v1', async (reader) => {
      const found = await results(reader, 'parameter-study', 10)
      const told = found.map(({ job, log }) => `${job.name} ${job.state}: ${log}`)
      const expected = Array.from(
        { length: 10 },
        (_, i) => `parameter-study-${i + 1} succeeded: point ${i + 1} of 10\n`,
      )
      assert.deepEqual(told.sort(), expected.sort())
    }),
  ],
  [
    'canfar logs -f <session-id>',
    (code) => {
      it('by our command line: canfar logs -f, canfar logs | grep', async () => {
        const reader = await newReader('follow')
        const id = await running(
          reader,
          'echo working; until [ -e ~/go-on ]; do sleep 0.1; done; echo an Error happened',
        )
        // The job continues after its first output was seen. The test then sees later output only by following.
        const seen = join(reader.environment['HOME'] ?? '', 'seen')
        const script = `exec > >(tee ${seen})\n${withId(code, id)}`
        const shell = ourShell(script, reader.environment)
        await eventually('what it wrote to be seen', async () => (await readFile(seen, 'utf8').catch(() => '')) !== '')
        await writeFile(join(platform.dataDir, 'arc/home/follow/go-on'), '')
        const stdout = succeeded(await shell)
        assert.equal(stdout, 'working\nan Error happened\nan Error happened\n')
      })
    },
  ],
  [
    'canfar stats <session-id>',
    aboutAJob('stats-2', ['ours'], (id, { stdout }) => assert.match(stdout, new RegExp(`^${id} +running `, 'm'))),
  ],
]

// Concurrent, because the examples mostly wait for jobs.
describe('the examples of the batch guide', { concurrency: 4 }, () => {
  const examples = examplesOfGuide()

  it('are all tested, in their order', () => {
    for (const [index, { code }] of examples.entries()) {
      const [words] = ways[index] ?? []
      assert.ok(words !== undefined && code.includes(words), `say how this example is run:\n${code}`)
    }
    assert.equal(ways.length, examples.length)
  })

  for (const [index, [, way]] of ways.entries()) way(examples[index]?.code ?? '')
})
