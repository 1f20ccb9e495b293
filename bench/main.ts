/**
 * `npm run bench`: compares the platform with a loop over `runc`, Docker and Slurm, in one run on this machine.
 *
 *     npm run bench                 about six minutes
 *     npm run bench -- --quick      under a minute, with fewer and shorter rounds
 *     npm run bench -- --jobs       only jobs: rate, first instruction, processor time; two minutes
 *     npm run bench -- --only science-platform,'runc loop'
 *     npm run bench -- --out FILE   file of the JSON; default bench/results/local-TIME.json
 *
 * Docker and Slurm are measured if they are installed and the benchmark runs as root. It starts them itself.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Started } from './contender.ts'
import { startDocker } from './docker.ts'
import { startFloor } from './floor.ts'
import { makeImage, type BenchImage } from './image.ts'
import { endedJobCount, insertEndedJobs, measureListing } from './listing.ts'
import { describeMachine, memoryOf } from './machine.ts'
import { startPlatform } from './platform.ts'
import { measurePublishedClient } from './published-client.ts'
import { report, reportJobs, type JobResults, type Results } from './report.ts'
import { interleave, measureRates } from './rounds.ts'
import { startSlurm } from './slurm.ts'
import { connectionCount, measureSubmissions } from './submissions.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    jobs: { type: 'boolean', default: false },
    only: { type: 'string' },
    out: { type: 'string' },
  },
})
const sizes = options.quick
  ? { latencyRounds: 4, rateRounds: 2, jobs: 12, submissionSeconds: 2, listings: 50 }
  : { latencyRounds: 15, rateRounds: 5, jobs: 60, submissionSeconds: 10, listings: 300 }
const wanted = options.only?.split(',')
const say = (words: string): void => console.error(`bench: ${words}…`)

const folder = await mkdtemp(join(tmpdir(), 'science-platform-bench-'))
const started: Started[] = []
const stopAll = async (): Promise<void> => {
  for (const each of started.splice(0).toReversed()) await each.stop()
}
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort(new Error(signal)))

/** Runs jobs of `true` by everything that takes part. */
async function measureJobs(image: BenchImage): Promise<JobResults> {
  const machine = await describeMachine()
  const [loadBefore = 0] = loadavg()
  say('starting everything that is measured')
  // The first start after a change of the sources compiles them, and holds the compiler in its memory.
  await (await startPlatform(`${folder}/first`, image)).stop()
  const platform = await startPlatform(`${folder}/platform`, image)
  started.push(platform)
  // The memory of an idle server, after its start has settled.
  await new Promise((resolve) => setTimeout(resolve, 3000))
  const idleMb = memoryOf(platform.pid).nowMb
  started.push(await startFloor(`${folder}/floor`, image.rootFolder))
  for (const start of [() => startDocker(`${folder}/docker`, image.rootFolder), () => startSlurm(`${folder}/slurm`)]) {
    const others = await start()
    if (others) started.push(others)
  }
  const contenders = started
    .flatMap((each) => each.contenders)
    .filter(({ name }) => wanted === undefined || wanted.includes(name))

  say(`time to the first instruction, ${sizes.latencyRounds} rounds`)
  // The first job of each contender reads what the later ones find in memory.
  for (const contender of contenders) await contender.firstInstruction()
  const latency = await interleave(contenders, sizes.latencyRounds, (contender) => {
    interrupted.signal.throwIfAborted()
    return contender.firstInstruction()
  })
  say(`jobs per second, ${sizes.rateRounds} rounds of ${sizes.jobs} jobs`)
  interrupted.signal.throwIfAborted()
  const rate = await measureRates(contenders, sizes.rateRounds, sizes.jobs)
  const loadedMb = memoryOf(platform.pid).peakMb
  await stopAll()
  return {
    at: new Date().toISOString(),
    quick: options.quick,
    sizes,
    machine,
    load: { before: loadBefore, after: loadavg()[0] ?? 0 },
    latency,
    rate,
    memory: { idleMb, loadedMb },
  }
}

/** Lists, submissions and the published client, on a server with many ended jobs. */
async function measureRequests(image: BenchImage): Promise<Omit<Results, keyof JobResults>> {
  say(`lists and submissions, with ${endedJobCount} ended jobs`)
  const full = await startPlatform(`${folder}/full`, image, (dataDir) => insertEndedJobs(dataDir, endedJobCount))
  started.push(full)
  const listing = await measureListing(full, sizes.listings)
  interrupted.signal.throwIfAborted()
  const submissions = await measureSubmissions(full, sizes.submissionSeconds)
  say('the published client')
  const publishedClient = await measurePublishedClient(full)
  const submittedMb = memoryOf(full.pid).peakMb
  return { listing, submissions: { connections: connectionCount, ...submissions }, publishedClient, submittedMb }
}

try {
  say('making an image')
  const image = await makeImage(`${folder}/image`)
  const jobs = await measureJobs(image)
  const results: Results | undefined = options.jobs ? undefined : { ...jobs, ...(await measureRequests(image)) }
  const local = fileURLToPath(new URL(`results/local-${jobs.at.replaceAll(/[:.]/g, '-')}.json`, import.meta.url))
  const out = options.out ?? local
  await mkdir(dirname(out), { recursive: true })
  await writeFile(out, `${JSON.stringify(results ?? jobs, undefined, 2)}\n`)
  console.log(results === undefined ? reportJobs(jobs) : report(results))
  console.log(`\nall values: ${out}`)
} finally {
  await stopAll()
  await rm(folder, { recursive: true, force: true })
}
