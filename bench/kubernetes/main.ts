/**
 * `npm run bench:kubernetes`: the platform on a real cluster, beside bare Jobs made through the same client.
 *
 *     npm run bench:kubernetes                   rate and share on the test cluster, then 10,000 pods on simulated nodes
 *     npm run bench:kubernetes -- --pods 1000    fewer of them; 0: none
 *
 * It takes a cluster that it may load: TEST_KUBECONFIG, or one that it starts (scripts/test-cluster). Simulated nodes are
 * kwok's, where the program is in PATH or GOPATH/bin (go install sigs.k8s.io/kwok/cmd/kwok@v0.8.0).
 */
import { parseArgs } from 'node:util'
import { median } from '../statistics.ts'
import { BareJobs } from './bare-jobs.ts'
import { startClusterPlatform } from './cluster-platform.ts'
import { simulatedNodes, measureScale } from './scale.ts'

const { values } = parseArgs({
  options: { pods: { type: 'string', default: '10000' }, jobs: { type: 'string', default: '60' } },
})
const jobs = Number(values.jobs)
const pods = Number(values.pods)
const rounded = (value: number): number => Math.round(value * 100) / 100

await using platform = await startClusterPlatform()
const bare = BareJobs.open(platform.namespace, platform.imageOnNodes)
// The first of each fetches the image and fills caches.
await bare.run(2)
await platform.run(2)

const rates: { bare: number[]; platform: number[] } = { bare: [], platform: [] }
for (let round = 0; round < 3; round++) {
  rates.bare.push(jobs / (await bare.run(jobs)))
  rates.platform.push(jobs / (await platform.run(jobs)))
  console.error(
    `bench: round ${round + 1}: bare ${rounded(rates.bare.at(-1) ?? 0)}/s, platform ${rounded(rates.platform.at(-1) ?? 0)}/s`,
  )
}
const bareRate = median(rates.bare)
const platformRate = median(rates.platform)

const latencies: { bare: number[]; platform: number[]; told: number[] } = { bare: [], platform: [], told: [] }
for (let i = 0; i < 15; i++) {
  latencies.bare.push((await bare.latency()).made)
  const { made, told } = await platform.latency(bare)
  latencies.platform.push(made)
  latencies.told.push(told)
}
const own = median(latencies.platform) - median(latencies.bare)

const results = {
  jobs,
  bareJobsPerSecond: rounded(bareRate),
  platformJobsPerSecond: rounded(platformRate),
  ratio: rounded(platformRate / bareRate),
  bareRequestToJobMs: rounded(median(latencies.bare)),
  submissionToJobMs: rounded(median(latencies.platform)),
  podRunningToToldMs: rounded(median(latencies.told)),
  ownShareMs: rounded(own + median(latencies.told)),
}
console.log(JSON.stringify(results, undefined, 2))
bare.close()

if (pods > 0) {
  await using nodes = await simulatedNodes(pods)
  console.log(JSON.stringify(await measureScale(nodes, pods), undefined, 2))
}
