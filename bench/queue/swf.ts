import type { Trace, TraceJob } from './trace.ts'

/**
 * Parses the Standard Workload Format, version 2, of the Parallel Workloads Archive: a line for each job with 18 numbers,
 * -1 where one is unknown; header comments `; Key: Value`. A processor is a core. Jobs that never ran are left out.
 * @throws for an invalid line, with its number.
 * @see https://www.cs.huji.ac.il/labs/parallel/workload/swf.html
 */
export function readSwf(text: string, name: string): Trace {
  const header = new Map<string, string>()
  const jobs: TraceJob[] = []
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim()
    const comment = /^;\s*(\w+):\s*(.*)$/.exec(line)
    if (comment) header.set(comment[1] ?? '', comment[2] ?? '')
    if (line === '' || line.startsWith(';')) return
    const fields = line.split(/\s+/).map(Number)
    if (fields.length !== 18 || fields.some(Number.isNaN))
      throw new Error(`line ${index + 1} of ${name} is not of the Standard Workload Format: it should have 18 numbers`)
    const job = jobOf(fields)
    if (job !== undefined) jobs.push(job)
  })
  if (jobs.length === 0) throw new Error(`${name} has no job that ran`)
  return {
    timesAreGiven: true,
    name,
    nodes: nodesOf(header, jobs),
    jobs: jobs.toSorted((a, b) => a.submitSeconds - b.submitSeconds),
  }
}

function jobOf(fields: readonly number[]): TraceJob | undefined {
  const [number, submit, , run, allocated, , usedKb, requested, requestedTime, requestedKb, , user, group, executable] =
    fields as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ]
  const cores = requested > 0 ? requested : allocated
  if (run <= 0 || cores <= 0 || submit < 0) return undefined
  const kbPerCore = requestedKb > 0 ? requestedKb : Math.max(0, usedKb)
  return {
    number,
    submitSeconds: submit,
    runSeconds: run,
    cores,
    memoryGb: (kbPerCore * cores) / 1024 ** 2,
    requestedSeconds: Math.max(requestedTime, run),
    user: `user${user}`,
    group: `group${group}`,
    application: `${user}.${executable}`,
  }
}

/**
 * The cluster: `MaxProcs` cores on `MaxNodes` nodes. If a job is wider than a node, the cluster counts as one large machine, as
 * usual with these traces.
 */
function nodesOf(header: ReadonlyMap<string, string>, jobs: readonly TraceJob[]): Trace['nodes'] {
  const most = (of: 'cores' | 'memoryGb'): number => jobs.reduce((max, job) => Math.max(max, job[of]), 0)
  const cores = Number.parseInt(header.get('MaxProcs') ?? '', 10) || most('cores')
  const nodes = Number.parseInt(header.get('MaxNodes') ?? '', 10) || 1
  const perNode = Math.floor(cores / nodes)
  const memoryGb = Number.parseFloat(/node memory (\S+) GB/.exec(header.get('Note') ?? '')?.[1] ?? '') || Infinity
  const fits = jobs.every((job) => job.cores <= perNode && job.memoryGb <= memoryGb)
  // Without data about memory, the nodes have enough for every job.
  const enough = Math.ceil(cores * Math.max(1, most('memoryGb')))
  return fits
    ? Array.from({ length: nodes }, (_, i) => ({
        name: `node${i + 1}`,
        cores: perNode,
        memoryGb: Math.min(memoryGb, enough),
        gpus: 0,
      }))
    : [{ name: 'all', cores, memoryGb: enough, gpus: 0 }]
}

/** Prints a trace in the Standard Workload Format. */
export function writeSwf({ name, nodes, jobs }: Trace): string {
  const first = nodes[0]
  const header = [
    `; Version: 2.2`,
    `; Computer: ${name}`,
    `; MaxJobs: ${jobs.length}`,
    `; MaxNodes: ${nodes.length}`,
    `; MaxProcs: ${nodes.reduce((sum, { cores }) => sum + cores, 0)}`,
    `; Note: node memory ${first?.memoryGb ?? 0} GB`,
  ]
  const numberOf = (text: string): number => Number(/\d+$/.exec(text)?.[0] ?? -1)
  const rows = jobs.map((job) => {
    const kbPerCore = Math.round((job.memoryGb * 1024 ** 2) / job.cores)
    return [
      job.number, job.submitSeconds, -1, job.runSeconds, job.cores, -1, -1, job.cores, job.requestedSeconds, kbPerCore, 1,
      numberOf(job.user), numberOf(job.group), numberOf(job.application), -1, -1, -1, -1,
    ].join(' ') // prettier-ignore
  })
  return [...header, ...rows, ''].join('\n')
}
