/**
 * `npm run bench:soak`: many short jobs through one server on containers. Prints memory every 500 jobs, its slope, the disk that an
 * ended job takes, and what is left behind. Exits with 1 where something is left, or the heap grows too fast.
 *
 *     npm run bench:soak                    20,000 jobs, about a quarter of an hour
 *     npm run bench:soak -- --jobs 4000
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { instanceName } from '../../packages/server/src/commands/instance.ts'
import { HttpConnection } from '../http-connection.ts'
import { makeImage } from '../image.ts'
import { describeMachine, memoryOf } from '../machine.ts'
import { jobRequest, startPlatform } from '../platform.ts'
import { run } from '../run-program.ts'
import { slope } from '../statistics.ts'
import { digits, table } from '../table.ts'
import { connectInspector } from './inspector.ts'
import { countLeft, type Left } from './left.ts'

const { values: options } = parseArgs({ options: { jobs: { type: 'string', default: '20000' } } })
const jobCount = Number(options.jobs)
if (!(jobCount >= 1_500)) throw new Error(`--jobs is ${options.jobs}; a slope takes at least 1500 jobs`)
/** Jobs between two samples. */
const every = 500
/** From here on the server is warm: code is compiled, pools are full. */
const warmAt = Math.min(2_000, jobCount / 2)
/** MB of heap for 1,000 jobs. */
const aim = 0.2

interface Sample {
  readonly jobs: number
  readonly heapMb: number
  readonly residentMb: number
  readonly diskKb: number
}

const folder = await realpath(await mkdtemp(join(tmpdir(), 'science-platform-soak-')))
const dataDir = `${folder}/platform/data`
const [before = 0] = loadavg()
const image = await makeImage(`${folder}/image`)
const platform = await startPlatform(`${folder}/platform`, image, undefined, { NODE_OPTIONS: '--inspect=127.0.0.1:0' })
const { url, token, pid } = platform
const samples: Sample[] = []
const failed: string[] = []
const jobs = new Set<string>()
const instance = instanceName(dataDir)
let idle: Left | undefined
let left: Left | undefined
let afterStop: Left | undefined
try {
  const inspector = await connectInspector(platform.inspector ?? '')
  const connection = new HttpConnection(url, token)
  const diskKb = async (): Promise<number> => Number((await run('du', ['-sk', dataDir])).split('\t')[0])
  const begun = performance.now()

  /** Submits jobs in one request and returns when the last has ended. */
  async function runJobs(count: number): Promise<void> {
    const request = { ...jobRequest('soak', ['/bin/true']), replicas: count }
    const { ids } = JSON.parse(await connection.expect(201, 'POST', '/api/v1/jobs', request)) as { ids: string[] }
    let open = ids
    for (const id of ids) jobs.add(id)
    while (open.length > 0) {
      const answer = await connection.expect(200, 'POST', '/api/v1/jobs/wait', { ids: open, timeout: 60 })
      const { ended } = JSON.parse(answer) as { ended: { id: string; state: string }[] }
      failed.push(...ended.filter(({ state }) => state !== 'succeeded').map(({ id }) => id))
      const gone = new Set(ended.map(({ id }) => id))
      open = open.filter((id) => !gone.has(id))
    }
  }

  /** What is left once clean-up, which goes on after the last end, is done or takes too long. */
  async function settled(done: (left: Left) => boolean): Promise<Left> {
    for (const end = Date.now() + 30_000; ; await pause(200)) {
      const found = countLeft(dataDir, instance, pid, jobs)
      if (done(found) || Date.now() > end) return found
    }
  }
  const isClean = ({ mounts, controlGroups, attemptFolders }: Left): boolean =>
    mounts + controlGroups + attemptFolders === 0

  await runJobs(Math.min(every, jobCount))
  idle = await settled(isClean)
  const { namespaces, descriptors } = idle
  for (let done = Math.min(every, jobCount); ; done += every) {
    samples.push({
      jobs: done,
      heapMb: await inspector.heapMb(),
      residentMb: memoryOf(pid).nowMb,
      diskKb: await diskKb(),
    })
    console.error(`bench: ${done} jobs, ${digits(samples.at(-1)?.heapMb ?? 0, 1)} MB of heap…`)
    if (done >= jobCount) break
    await runJobs(Math.min(every, jobCount - done))
  }
  const seconds = (performance.now() - begun) / 1000
  left = await settled((now) => isClean(now) && now.namespaces <= namespaces && now.descriptors <= descriptors)
  inspector.close()
  connection.close()

  const warm = samples.filter(({ jobs: count }) => count >= warmAt)
  const per1000 = (of: (sample: Sample) => number): number =>
    slope(warm.map((sample) => [sample.jobs / 1000, of(sample)]))
  const heapSlope = per1000(({ heapMb }) => heapMb)
  const machine = await describeMachine()
  console.log(
    [
      `${machine.system}, Linux ${machine.kernel}, ${machine.cores} cores (${machine.processor}), ${machine.memoryGb} GiB,`,
      `cgroups ${machine.cgroups}, Node ${machine.node}, runc ${machine.runc}; ${new Date().toISOString()};`,
      `load ${digits(before, 1)} before and ${digits(loadavg()[0] ?? 0, 1)} after`,
      '',
      `${jobCount} jobs of \`true\` in ${digits(seconds, 0)} s, ${digits(jobCount / seconds, 1)} a second; ${failed.length} failed.`,
      table([
        ['jobs', 'heap after a collection', 'resident', 'data directory'],
        ...samples.map(({ jobs: count, heapMb, residentMb, diskKb: kb }) => [
          String(count),
          `${digits(heapMb, 2)} MB`,
          `${digits(residentMb, 0)} MB`,
          `${digits(kb / 1000, 1)} MB`,
        ]),
      ]),
      '',
      `For 1,000 jobs more, from job ${warmAt} on: ${digits(heapSlope, 2)} MB of heap, ${digits(
        per1000(({ residentMb }) => residentMb),
        2,
      )} MB resident;`,
      `an ended job takes ${digits(per1000(({ diskKb: kb }) => kb) / 1000, 2)} KB of the disk.`,
      '',
      `Figure to reach: heap for 1,000 jobs under ${aim} MB: ${heapSlope < aim ? 'reached' : 'MISSED'}`,
    ].join('\n'),
  )
  if (heapSlope >= aim || failed.length > 0) process.exitCode = 1
} finally {
  await platform.stop(async () => {
    afterStop = countLeft(dataDir, instance, undefined, jobs)
  })
  await rm(folder, { recursive: true, force: true })
}

if (idle !== undefined && left !== undefined && afterStop !== undefined) {
  const names = Object.keys(left) as (keyof Left)[]
  const allowed: Left = { ...idle, mounts: 0, controlGroups: 0, attemptFolders: 0 }
  const counts = { idle, left, afterStop }
  const tooMany = (name: keyof Left): boolean => counts.left[name] > allowed[name] || counts.afterStop[name] > 0
  console.log(
    [
      '',
      'Left behind:',
      table([
        ['', `after ${every} jobs`, `after ${jobCount}`, 'after the server'],
        ...names.map((name) => [
          name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`),
          ...[counts.idle[name], counts.left[name], counts.afterStop[name]].map(String),
          tooMany(name) ? 'LEFT' : '',
        ]),
      ]),
    ].join('\n'),
  )
  if (names.some(tooMany)) process.exitCode = 1
}
