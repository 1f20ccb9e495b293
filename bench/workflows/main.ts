/**
 * `npm run bench:workflows`: Snakemake on the platform, in one run on this machine.
 *
 *     npm run bench:workflows                  200 jobs of `true` by each contender; about 15 minutes on two cores
 *     npm run bench:workflows -- --jobs 20     fewer jobs
 *     npm run bench:workflows -- --run         only the jobs
 *     npm run bench:workflows -- --watch       only the requests of an engine that watches 1,000 jobs; three minutes
 *
 * The floor is the command lines that the plugin gave to the platform, run by `xargs -P` on this machine without the platform. Slurm
 * is measured if it is installed (slurmctld, slurmd, munge) and the benchmark runs as root. Needs a Debian 12, whose Python is
 * that of the image.
 */
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Platform } from '../../e2e/support/platform.ts'
import { parallelism } from '../contender.ts'
import { describeMachine } from '../machine.ts'
import { run, until } from '../run-program.ts'
import { startSlurm } from '../slurm.ts'

const { values: options } = parseArgs({
  options: {
    jobs: { type: 'string', default: '200' },
    run: { type: 'boolean', default: false },
    watch: { type: 'boolean', default: false },
  },
})
const count = Number(options.jobs)
if (!Number.isInteger(count) || count < 1) throw new Error(`--jobs takes a number from 1, not '${options.jobs}'`)

const here = fileURLToPath(new URL('.', import.meta.url))
const repository = fileURLToPath(new URL('../..', import.meta.url))
const python = '/usr/bin/python3'
const image = 'localhost/astro/night:1'
const say = (words: string): void => console.error(`bench: ${words}…`)

/** What a contender took, in seconds. */
interface Result {
  readonly name: string
  readonly seconds: number
}

/** The options of Snakemake that all contenders share. */
const common = ['--config', `jobs=${count}`, '--scheduler', 'greedy', '--max-jobs-per-timespan', '1000/1s', '--quiet']

/** Runs Snakemake on this machine and returns the seconds that it took. */
async function snakemakeHere(folder: string, sites: string, args: readonly string[], env: Record<string, string> = {}) {
  await mkdir(folder, { recursive: true })
  await cp(join(here, 'Snakefile'), join(folder, 'Snakefile'))
  const startedAt = performance.now()
  const more = { PYTHONPATH: sites, HOME: folder, ...env }
  await run('sh', ['-c', 'cd "$0" && exec "$@"', folder, python, '-m', 'snakemake', ...common, ...args], more)
  const seconds = (performance.now() - startedAt) / 1000
  await checkDone(folder)
  return seconds
}

async function checkDone(folder: string): Promise<void> {
  const done = await readdir(join(folder, 'done'))
  if (done.length !== count) throw new Error(`${folder}: ${done.length} of ${count} jobs have run`)
}

/** Runs the workflow on the platform, by an engine in a job of its own. Returns the scripts of its jobs too. */
async function onPlatform(folder: string): Promise<Result & { scripts: string; arc: string }> {
  const platform = await Platform.make(
    [
      `capacity: {cores: ${parallelism + 1}, memoryGb: ${parallelism + 2}}`,
      'limits: {requests: {reads: {burst: 1000000, perSecond: 100000}, changes: {burst: 1000000, perSecond: 100000}}}',
      '',
    ].join('\n'),
  )
  try {
    const archive = (await run(join(repository, 'examples/night/build-image'), [])).trim()
    await platform.loadArchive(archive, image)
    await platform.start()
    const arc = join(platform.dataDir, 'arc')
    const source = join(arc, 'projects/survey/source')
    await mkdir(source, { recursive: true })
    await cp(join(here, 'Snakefile'), join(source, 'Snakefile'))
    for (const part of ['client/src/science_platform', 'snakemake/src/snakemake_executor_plugin_canfar'])
      await cp(join(repository, 'python', part), join(source, 'plugins', part.split('/').at(-1) ?? ''), {
        recursive: true,
        filter: (path) => !path.endsWith('__pycache__'),
      })
    // As pip does: jobs could not write what they compile.
    await run(python, ['-m', 'compileall', '-q', join(source, 'plugins')])
    await run('chmod', ['-R', 'a+rX', source])
    // The first job unpacks the image.
    await platform.run('python3 -c "import snakemake, httpx"', { image, memoryGb: 1 })
    const work = '/arc/projects/survey/bench'
    const snakemake = ['snakemake', '--executor', 'canfar', '--jobs', '1000', '--canfar-image', image, ...common]
    const line = [
      `mkdir -p ${work} && cp ${work}/../source/Snakefile ${work} && cd ${work}`,
      'date +%s%N > started',
      `${snakemake.join(' ')} && date +%s%N > ended`,
    ].join(' && ')
    const env = { PYTHONPATH: '/arc/projects/survey/source/plugins' }
    const id = await platform.submit(line, { image, memoryGb: 2, jobToken: true, env })
    const bench = join(arc, 'projects/survey/bench')
    const scripts = join(folder, 'scripts')
    await mkdir(scripts)
    // All are submitted at once, and each script is there until its job has ended.
    await until('the scripts of all jobs', 600, async () => {
      const names = (await readdir(join(bench, '.snakemake/canfar/jobs')).catch(() => [])).filter((name) =>
        name.endsWith('.sh'),
      )
      for (const name of names)
        await cp(join(bench, '.snakemake/canfar/jobs', name), join(scripts, name)).catch(() => {})
      return (await readdir(scripts)).length >= count ? true : undefined
    })
    const job = await platform.ended(id, 3_600_000)
    if (job.state !== 'succeeded') throw new Error(`the engine ended with ${job.exitCode}: ${await platform.logOf(id)}`)
    await checkDone(bench)
    const [started = 0, ended = 0] = await Promise.all(
      ['started', 'ended'].map(async (name) => Number(await readFile(join(bench, name), 'utf8')) / 1e9),
    )
    return { name: 'platform', seconds: ended - started, scripts, arc }
  } finally {
    await platform[Symbol.asyncDispose]()
  }
}

/** The command lines of the jobs without the platform. */
async function floor(folder: string, scripts: string, sites: string): Promise<Result> {
  const arc = join(folder, 'arc')
  const work = join(arc, 'projects/survey/bench')
  await mkdir(work, { recursive: true })
  await cp(join(here, 'Snakefile'), join(work, 'Snakefile'))
  for (const name of await readdir(scripts)) {
    const text = await readFile(join(scripts, name), 'utf8')
    await writeFile(join(scripts, name), text.replaceAll('/arc/', `${arc}/`))
  }
  const startedAt = performance.now()
  await run('sh', ['-c', `ls "$0"/*.sh | xargs -P ${parallelism} -n 1 sh >"$0/../floor.log" 2>&1`, scripts], {
    PYTHONPATH: sites,
    HOME: folder,
    PATH: `/usr/bin:/bin`,
  })
  return {
    name: `floor: the same ${count} command lines by xargs -P ${parallelism}`,
    seconds: (performance.now() - startedAt) / 1000,
  }
}

/** Moves this process, and with it all that it starts, into a control group of its own until it is disposed. */
async function joinGroup(): Promise<AsyncDisposable> {
  const first = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/cpu'
  const group = join(first, 'bench-workflows')
  await mkdir(group, { recursive: true })
  await writeFile(join(group, 'cgroup.procs'), String(process.pid))
  return {
    async [Symbol.asyncDispose]() {
      await writeFile(join(first, 'cgroup.procs'), String(process.pid))
      await until('the end of all processes of the benchmark', 30, async () =>
        (await readFile(join(group, 'cgroup.procs'), 'utf8')) === '' ? true : undefined,
      )
      await rmdir(group)
    },
  }
}

async function slurm(folder: string, sites: string): Promise<Result | undefined> {
  const started = await startSlurm(join(folder, 'slurm'))
  if (started === undefined) return undefined
  try {
    const args = ['--executor', 'slurm', '--jobs', '1000', '--seconds-between-status-checks', '1']
    args.push(
      '--slurm-init-seconds-before-status-checks',
      '1',
      '--slurm-status-command',
      'squeue',
      '--latency-wait',
      '5',
    )
    // The plugin takes the variables of Slurm out of the environment of its jobs, and srun would look in /etc/slurm.
    const configuration = join(folder, 'slurm/slurm.conf')
    await mkdir(join(folder, 'bin'))
    await writeFile(join(folder, 'bin/srun'), `#!/bin/sh\nSLURM_CONF=${configuration} exec /usr/bin/srun "$@"\n`, {
      mode: 0o755,
    })
    const seconds = await snakemakeHere(join(folder, 'on-slurm'), sites, args, {
      SLURM_CONF: configuration,
      PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
    })
    return { name: 'Slurm plugin', seconds }
  } finally {
    await started.stop()
  }
}

async function measureWatch(folder: string): Promise<void> {
  say('an engine that watches 1,000 jobs')
  const environment = (
    await run(join(repository, 'scripts/python-environment'), [join(repository, 'python/environment.txt')])
  ).trim()
  const sources = ['client', 'snakemake'].map((part) => join(repository, 'python', part, 'src')).join(':')
  const answer = await run(join(environment, 'bin/python'), [join(here, 'watch.py'), join(folder, 'watch')], {
    PYTHONPATH: sources,
    PATH: `${environment}/bin:${process.env['PATH'] ?? ''}`,
  })
  const { jobs, quiet, busy, endsPerSecond } = JSON.parse(answer) as Record<string, number>
  console.log(`| requests of an engine that watches ${jobs} jobs | while none ends | at ${endsPerSecond} ends/s |`)
  console.log(`|---|---|---|\n| requests/s | ${quiet?.toFixed(2)} | ${busy?.toFixed(2)} |\n`)
}

async function measureJobs(folder: string): Promise<void> {
  const sites = await packagesOfSnakemake()
  say(`${count} jobs of true on the platform`)
  const platform = await onPlatform(folder)
  // The jobs of the platform share a control group, which gets as much of a busy machine as one process. So do the others.
  await using _group = await joinGroup()
  say('the floor')
  const lowest = await floor(folder, platform.scripts, sites)
  say('the local executor')
  const local = await snakemakeHere(join(folder, 'local'), sites, ['--cores', String(parallelism)])
  say('the Slurm plugin')
  const onSlurm = await slurm(folder, sites)
  const results = [
    lowest,
    platform,
    ...(onSlurm ? [onSlurm] : []),
    { name: 'local executor, which starts no Python for a job', seconds: local },
  ]
  console.log(`| ${count} jobs of \`true\`, ${parallelism} at a time | seconds | of the floor |\n|---|---|---|`)
  for (const { name, seconds } of results)
    console.log(`| ${name} | ${seconds.toFixed(1)} | ${(seconds / lowest.seconds).toFixed(2)} |`)
}

/** The folder with Snakemake and the Slurm plugin for {@link python}, in the versions of the image. */
async function packagesOfSnakemake(): Promise<string> {
  const environment = await run(join(repository, 'scripts/python-environment'), [join(here, 'snakemake-slurm.txt')])
  const [folder = ''] = await readdir(join(environment.trim(), 'lib'))
  if (folder !== 'python3.11') throw new Error(`the benchmark needs Python 3.11, as the image has it, not ${folder}`)
  return join(environment.trim(), 'lib', folder, 'site-packages')
}

const folder = await mkdtemp(join(tmpdir(), 'bench-workflows-'))
try {
  const machine = await describeMachine()
  console.log(`${machine.processor}, ${machine.cores} cores, ${machine.system}, load ${loadavg()[0]?.toFixed(1)}\n`)
  if (!options.run) await measureWatch(folder)
  if (!options.watch) await measureJobs(folder)
} finally {
  await rm(folder, { recursive: true, force: true })
}
