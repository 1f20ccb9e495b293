import { normal, pick, randomFrom } from '../../packages/server/src/lib/random.ts'
import type { Trace, TraceJob } from './trace.ts'

/** Parameters of a generated workload. */
export interface Workload {
  readonly seed: number
  readonly days: number
  readonly nodes: number
  readonly users: number
  /** Submitted work divided by the capacity of the cluster. */
  readonly load: number
}

const node = { cores: 32, memoryGb: 128, gpus: 0 }
/** Cores and memory of applications. Most are small. */
const shapes = [
  [1, 2], [1, 4], [1, 4], [1, 8], [2, 8], [2, 8], [4, 16], [4, 16], [4, 32], [8, 32], [8, 64], [16, 64], [16, 64], [32, 120],
] as const // prettier-ignore
/** Requested times: round ones. */
const requests = [600, 1800, 3600, 4 * 3600, 12 * 3600, 86_400, 3 * 86_400]
/** Part of the daily submissions by hour: few at night, most in the afternoon. */
const hours = [2, 1, 1, 1, 1, 1, 2, 3, 5, 8, 9, 9, 8, 9, 10, 10, 9, 8, 6, 4, 3, 3, 2, 2]

interface Application {
  readonly name: string
  readonly cores: number
  readonly memoryGb: number
  /** Mean of the natural logarithm of the run time in seconds. */
  readonly mean: number
  readonly deviation: number
  readonly requestedSeconds: number
  readonly batch: number
}

/**
 * A workload with the properties of archived ones: a Zipf distribution of jobs over users, a few applications per user with alike
 * jobs, log-normal run times per application, round requested times that are mostly far too long, batches of alike jobs, a daily
 * and a weekly cycle. The same seed gives the same workload.
 */
export function generate({ seed, days, nodes, users, load }: Workload): Trace {
  const random = randomFrom(seed)
  const people = Array.from({ length: users }, (_, i) => ({
    user: `user${i + 1}`,
    group: `group${(i % Math.max(1, Math.round(users / 6))) + 1}`,
    weight: 1 / (i + 1) ** 0.8,
    applications: Array.from({ length: 1 + Math.floor(random() * 4) }, (_unused, j) =>
      application(random, `${i + 1}.${j + 1}`),
    ),
  }))
  const totalWeight = people.reduce((sum, { weight }) => sum + weight, 0)
  const wanted = load * nodes * node.cores * days * 86_400
  const jobs: Omit<TraceJob, 'number'>[] = []
  for (let work = 0; work < wanted;) {
    let place = random() * totalWeight
    const person = people.find(({ weight }) => (place -= weight) < 0) ?? people[0]
    if (person === undefined) break
    const { user, group, applications } = person
    const { name, cores, memoryGb, mean, deviation, requestedSeconds, batch } = pick(random, applications)
    const submitSeconds = submission(random, days)
    for (let left = 1 + Math.floor(-Math.log(1 - random()) * (batch - 1)); left > 0; left--) {
      const runSeconds = Math.min(
        requestedSeconds,
        Math.max(1, Math.round(Math.exp(mean + deviation * normal(random)))),
      )
      jobs.push({ submitSeconds, runSeconds, cores, memoryGb, requestedSeconds, user, group, application: name })
      work += runSeconds * Math.max(cores, memoryGb / 4)
    }
  }
  jobs.sort((a, b) => a.submitSeconds - b.submitSeconds)
  return {
    name: `generated, seed ${seed}: ${days} days, load ${load}, ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`,
    timesAreGiven: true,
    nodes: Array.from({ length: nodes }, (_, i) => ({ name: `node${i + 1}`, ...node })),
    jobs: jobs.map((job, i) => ({ number: i + 1, ...job })),
  }
}

function application(random: () => number, name: string): Application {
  const [cores, memoryGb] = pick(random, shapes)
  const mean = 5 + 4.2 * random()
  const deviation = 0.2 + 0.8 * random()
  // Enough for nearly all jobs of the application, times a margin of up to ten.
  const enough = Math.exp(mean + 2 * deviation) * 10 ** random()
  const requestedSeconds = requests.find((seconds) => seconds >= enough) ?? 3 * 86_400
  return { name, cores, memoryGb, mean, deviation, requestedSeconds, batch: pick(random, [1, 1, 3, 10, 40]) }
}

function submission(random: () => number, days: number): number {
  for (;;) {
    const day = Math.floor(random() * days)
    // Weekends have a third of the submissions.
    if (day % 7 >= 5 && random() > 1 / 3) continue
    let place = random() * hours.reduce((sum, part) => sum + part, 0)
    const hour = hours.findIndex((part) => (place -= part) < 0)
    return Math.floor(day * 86_400 + hour * 3600 + random() * 3600)
  }
}
