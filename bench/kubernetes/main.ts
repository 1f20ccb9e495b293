/**
 * `npm run bench:kubernetes`: the platform on a real cluster, compared with bare Jobs through the same client.
 *
 *     npm run bench:kubernetes                   rate and share on the test cluster, then 10,000 pods on simulated nodes
 *     npm run bench:kubernetes -- --pods 1000    fewer pods; 0: none
 *
 * It loads the cluster of TEST_KUBECONFIG, or starts one (scripts/test-cluster). kwok simulates the nodes;
 * scripts/go-program builds it if it is missing.
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
  // The first job of each kind fetches the image and fills caches.
  await bare.run(2)
  await platform.run(2)

  const rates: { bare: number[]; platform: number[] } = { bare: [], platform: [] }
  for (let round = 0; round < rounds; round++) {
    // Alternates the order, so that a drift of the machine affects both.
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
