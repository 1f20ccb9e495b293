/**
 * `npm run bench:kubernetes`: the platform on a real cluster, beside bare Jobs made through the same client.
 *
 *     npm run bench:kubernetes                   rate and share on the test cluster, then 10,000 pods on simulated nodes
 *     npm run bench:kubernetes -- --pods 1000    fewer of them; 0: none
 *
 * It takes a cluster that it may load: TEST_KUBECONFIG, or one that it starts (scripts/test-cluster). Simulated nodes are
 * kwok's, which is built where it is not there yet (scripts/go-program).
 */
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { describeMachine } from '../machine.ts'
import { median } from '../statistics.ts'
import { BareJobs } from './bare-jobs.ts'
import { startClusterPlatform } from './cluster-platform.ts'
import { report, type RateFigures } from './report.ts'
import { measureScale, simulatedNodes } from './scale.ts'

const { values } = parseArgs({
  options: { pods: { type: 'string', default: '10000' }, jobs: { type: 'string', default: '60' } },
})
const jobs = Number(values.jobs)
const pods = Number(values.pods)
const rounds = 3

async function measureRate(): Promise<RateFigures> {
  await using platform = await startClusterPlatform()
  const bare = await BareJobs.open(platform.namespace, platform.imageOnNodes)
  // The first of each fetches the image and fills caches.
  await bare.run(2)
  await platform.run(2)

  const rates: { bare: number[]; platform: number[] } = { bare: [], platform: [] }
  for (let round = 0; round < rounds; round++) {
    // Now the one first and now the other, so that what becomes slower or faster with time falls on both.
    for (const kind of round % 2 === 0 ? (['bare', 'platform'] as const) : (['platform', 'bare'] as const))
      rates[kind].push(jobs / (await (kind === 'bare' ? bare : platform).run(jobs)))
    console.error(
      `bench: round ${round + 1} of ${rounds}: bare ${rates.bare.at(-1)?.toFixed(2)}/s, platform ${rates.platform.at(-1)?.toFixed(2)}/s`,
    )
  }

  const bareLatencies: Awaited<ReturnType<typeof bare.latency>>[] = []
  const latencies: Awaited<ReturnType<typeof platform.latency>>[] = []
  for (let i = 0; i < 15; i++) {
    bareLatencies.push(await bare.latency())
    latencies.push(await platform.latency(bare))
  }
  bare.close()
  return {
    jobs,
    barePerSecond: median(rates.bare),
    perSecond: median(rates.platform),
    ratio: median(rates.platform.map((rate, i) => rate / (rates.bare[i] ?? NaN))),
    bareMadeMs: median(bareLatencies.map(({ made }) => made)),
    bareRunningMs: median(bareLatencies.map(({ running }) => running)),
    madeMs: median(latencies.map(({ made }) => made)),
    gatedMs: median(latencies.map(({ gated }) => gated)),
    runningMs: median(latencies.map(({ running }) => running)),
    toldMs: median(latencies.map(({ told }) => told)),
  }
}

const before = loadavg()[0] ?? 0
const rate = await measureRate()
await using nodes = pods > 0 ? await simulatedNodes(pods) : undefined
const scale = nodes === undefined ? undefined : await measureScale(nodes, pods)
const load = { before, after: loadavg()[0] ?? 0 }
console.log(report({ at: new Date().toISOString(), machine: await describeMachine(), load, rate, scale }))
