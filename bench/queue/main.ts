/**
 * `npm run bench:queue`: the planner against simulated clusters on a virtual clock.
 *
 *     npm run bench:queue                         some minutes
 *     npm run bench:queue -- --quick              with a tenth of the jobs
 *     npm run bench:queue -- --seed 2             another generated workload
 *     npm run bench:queue -- --trace FILE.swf     a trace of the Parallel Workloads Archive instead of the generated one
 *     npm run bench:queue -- --write FILE.swf     writes the generated trace in this format, and exits
 *     npm run bench:queue -- --out FILE           file of the JSON; default bench/results/queue-TIME.json
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describeMachine } from '../machine.ts'
import { boundHours, compare } from './compare.ts'
import { scoreEstimates } from './estimates.ts'
import { generate } from './generate.ts'
import { report } from './report.ts'
import { measureForecasts, measureScale } from './scale.ts'
import { readSwf, writeSwf } from './swf.ts'
import { withoutTimes } from './trace.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    trace: { type: 'string' },
    write: { type: 'string' },
    out: { type: 'string' },
  },
})
const days = options.quick ? 7 : 28
const generated = { seed: Number(options.seed), days, nodes: 16, users: 40 }
const standard = options.trace === undefined ? generate({ ...generated, load: 0.8 }) : await readTrace(options.trace)

if (options.write === undefined) await run()
else await writeFile(options.write, writeSwf(standard))

async function readTrace(file: string) {
  return readSwf(await readFile(file, 'utf8'), basename(file))
}

/** More than fits, and traces without time limits given: on a cluster, and on one and two nodes with few users. */
function others() {
  const busy = generate({ ...generated, load: 1 })
  const one = generate({ ...generated, load: 0.8, nodes: 1, users: 6 })
  const two = generate({ ...generated, load: 0.7, nodes: 2, users: 8, seed: generated.seed + 1 })
  return [busy, ...[busy, one, two].map(withoutTimes)]
}

async function run(): Promise<void> {
  const say = (text: string): void => console.error(`bench: ${text}…`)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const machine = await describeMachine()
  const before = loadavg()[0] ?? 0
  say('a long queue')
  const million = measureScale(options.quick ? 100_000 : 1_000_000, 2000, collect)
  const hundredThousand = measureScale(100_000, 200, collect)
  const forecasts = [16, 200, 10_000].map((nodes) => measureForecasts(nodes, 100_000, collect))
  const traces = options.trace === undefined ? [standard, ...others()] : [standard, withoutTimes(standard)]
  const comparisons = traces.map((trace) => {
    say(trace.name)
    const queues = compare(trace)
    say('expected starts')
    const estimates = scoreEstimates(trace, options.quick ? 2 : 8)
    return { trace: trace.name, jobs: trace.jobs.length, boundHours: boundHours(trace), queues, estimates }
  })
  const load = { before, after: loadavg()[0] ?? 0 }
  const results = { at: new Date().toISOString(), machine, load, million, hundredThousand, forecasts, comparisons }
  const out = options.out ?? join(fileURLToPath(new URL('..', import.meta.url)), 'results', `queue-${Date.now()}.json`)
  await mkdir(dirname(out), { recursive: true })
  await writeFile(out, `${JSON.stringify(results, undefined, 2)}\n`)
  console.log(report(results))
  console.log(`\n  ${out}`)
}
