import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Job, JobRequest } from '@science-platform/contract'
import { freePort } from '../packages/server/src/lib/free-port.ts'
import { onlyInAll } from './support/all.ts'
import { eventually, onKubernetes, Platform } from './support/platform.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('..', import.meta.url))

/** The image of the example: source-extractor, astropy and Snakemake. */
const image = 'localhost/astro/night:1'
const survey = '/arc/projects/survey'

let platform: Platform

before(async () => {
  const { stdout } = await run(join(repository, 'examples/night/build-image'))
  platform = await Platform.make('capacity: {cores: 6, memoryGb: 24}\n')
  if (onKubernetes) await listenForPods(platform)
  await platform.loadArchive(stdout.trim(), image)
  await platform.start()
  const source = join(platform.dataDir, 'arc/projects/survey/source')
  await mkdir(source, { recursive: true })
  await cp(join(repository, 'examples/night'), join(source, 'night'), { recursive: true })
  await cp(join(repository, 'examples/source-extractor/frames/ccd.fits'), join(source, 'ccd.fits'))
  for (const part of ['client/src/science_platform', 'snakemake/src/snakemake_executor_plugin_canfar'])
    await cp(join(repository, 'python', part), join(source, 'plugins', part.split('/').at(-1) ?? ''), {
      recursive: true,
      filter: (path) => !path.endsWith('__pycache__'),
    })
  await run('chmod', ['-R', 'a+rX', source])
})

after(() => platform[Symbol.asyncDispose]())

/** Lets the pods of the test cluster reach the server: the engine in a job calls it. */
async function listenForPods(platform: Platform): Promise<void> {
  const address = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address
  assert.ok(address !== undefined, 'this machine has an address')
  const port = await freePort()
  platform.set('SCIENCE_PLATFORM_LISTEN', `${address}:${port}`)
  platform.set('SCIENCE_PLATFORM_PUBLIC_URL', `http://${address}:${port}`)
}

/** Runs a shell line in the image, in a folder of the project. */
const inFolder = (folder: string, line: string, more: Partial<JobRequest> = {}) =>
  platform.submit(`mkdir -p ${survey}/${folder} && cd ${survey}/${folder} && ${line}`, { image, memoryGb: 2, ...more })

/** A job of the user that runs Snakemake, which submits the jobs of the workflow with its token. */
const coordinator = { jobToken: true, env: { PYTHONPATH: `${survey}/source/plugins` } } as const

async function succeeds(id: string): Promise<string> {
  const job = await platform.ended(id)
  const log = await platform.logOf(id)
  assert.equal(job.state, 'succeeded', `${job.cause?.message ?? ''}\n${log}`)
  return log
}

/** The jobs of a workflow, by the rule in their names. */
async function jobsByRule(): Promise<Record<string, Job[]>> {
  const byRule: Record<string, Job[]> = {}
  for await (const job of platform.jobs().listAll({ name: 'smk-' })) {
    const rule = /^smk-[0-9a-f]{8}-(.+)-[0-9a-f]{10}$/.exec(job.name)?.[1] ?? job.name
    ;(byRule[rule] ??= []).push(job)
  }
  return byRule
}

const folderOf = (name: string): string => join(platform.dataDir, 'arc/projects/survey', name)

test('a night becomes one catalogue, which has the added sources, although the server is killed meanwhile', async () => {
  const make = 'cp -r ../source/night/* . && python3 make-night ../source/ccd.fits .'
  await succeeds(await inFolder('night', make))
  const engine = await inFolder('night', `snakemake --profile profile --canfar-image ${image}`, coordinator)
  await eventually('the first frame', async () => (await readdir(folderOf('night'))).includes('masters'))
  await platform.stop('SIGKILL')
  await platform.start()
  await succeeds(engine)

  assert.match(await succeeds(await inFolder('night', './check-catalogue .')), /of 60 added sources found/)
  const counts = Object.fromEntries(Object.entries(await jobsByRule()).map(([rule, jobs]) => [rule, jobs.length]))
  // Five jobs of four frames each.
  assert.deepEqual(counts, { bias: 1, flat: 2, 'frame-calibrate-extract': 5, merge: 1 })
  // A second run finds nothing to do.
  const again = await inFolder('night', `snakemake --profile profile --canfar-image ${image}`, coordinator)
  assert.match(await succeeds(again), /Nothing to be done/)
})

// It needs the environment of the Python packages, and runs the night once more.
test('a Prefect flow reduces each night with the same workflow', { skip: onlyInAll }, async () => {
  const environment = await run(join(repository, 'scripts/python-environment'), [
    join(repository, 'python/environment.txt'),
  ])
  const nightly = join(repository, 'examples/prefect/nightly.py')
  const { stdout } = await run(join(environment.stdout.trim(), 'bin/python'), [nightly, image, survey, '--once'], {
    env: {
      ...process.env,
      PYTHONPATH: join(repository, 'python/client/src'),
      PREFECT_HOME: join(platform.dataDir, 'prefect'),
      CANFAR_URL: platform.url,
      CANFAR_TOKEN: platform.token,
    },
  })
  const night = stdout.trim().split('\n').at(-1) ?? ''
  assert.match(night, /^\/arc\/projects\/survey\/\d{4}-\d\d-\d\d$/)
  assert.ok((await readdir(folderOf(night.split('/').at(-1) ?? ''))).includes('catalogue.csv'))
})

const once = `
rule all:
    input: "b.txt"
rule a:
    output: "a.txt"
    shell: "echo a >> runs.txt; while [ ! -e go ]; do sleep 0.1; done; echo done > {output}"
rule b:
    input: "a.txt"
    output: "b.txt"
    shell: "echo b >> runs.txt; cp {input} {output}"
`

test('an engine that is killed finds its job again, and each rule runs once', async () => {
  const source = folderOf('source/once')
  await mkdir(source)
  await writeFile(join(source, 'Snakefile'), once)
  await chmod(source, 0o755)
  const snakemake = `snakemake --executor canfar --jobs 2 --canfar-image ${image}`
  const line = [
    'cp ../source/once/Snakefile .',
    `{ ${snakemake} > first.log 2>&1 & }`,
    'engine=$!; until [ -e runs.txt ]; do sleep 0.1; done; kill -9 $engine; wait $engine',
    `{ ${snakemake} --rerun-incomplete --nolock > second.log 2>&1 & }`,
    'engine=$!; until grep -q "it is adopted" second.log; do sleep 0.1; done; touch go; wait $engine',
  ].join('\n')
  await succeeds(await inFolder('once', line, coordinator))
  assert.equal(await readFile(join(folderOf('once'), 'runs.txt'), 'utf8'), 'a\nb\n')
})
