import type { Job, PlatformStats, Resources, SessionRecord, Usage } from '@science-platform/contract'
import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { platformFor } from '../../platform.ts'
import { bytes, duration, memory } from '../../output/quantities.ts'
import { table, type Column } from '../../output/table.ts'
import { columns } from '../../output/terminal.ts'

/** Defines `canfar stats`. */
export function define(program: Command): void {
  program
    .command('stats')
    .description('Show used and requested resources of jobs; without ids, the load of the platform.')
    .argument('[ids...]', 'ids of jobs')
    .addHelpText(...examples('canfar stats', 'canfar stats k3x9a0qz'))
    .action(async (ids: readonly string[], _options: unknown, self: Command) => {
      const invocation = invocationOf(self)
      await (ids.length === 0 ? platformStats(invocation) : jobStats(ids, invocation))
    })
}

async function platformStats(invocation: Invocation): Promise<void> {
  const { session } = await platformFor(invocation)
  await show(invocation, await session.stats(), platformTable)
}

function platformTable({ cores, ram }: PlatformStats): string {
  const layout: Column[] = [
    { title: '' },
    { title: 'IN USE', align: 'right' },
    { title: 'TOTAL', align: 'right' },
    { title: 'LARGEST JOB', align: 'right' },
  ]
  const rows = [
    ['Cores', String(cores.requestedCPUCores), String(cores.cpuCoresAvailable), String(cores.maxCPUCores.cpuCores)],
    ['Memory', ...[ram.requestedRAM, ram.ramAvailable, ram.maxRAM.ram].map(memory)],
  ]
  return table(layout, rows, columns())
}

/** Used and requested resources of one job. */
interface JobStats {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly resources?: Resources
  readonly usage?: Usage
  readonly session?: SessionRecord
}

async function jobStats(ids: readonly string[], invocation: Invocation): Promise<void> {
  const { session, jobs: detect } = await platformFor(invocation)
  const jobs = await detect()
  const all =
    jobs === undefined
      ? (await session.info(ids)).map(ofSession)
      : await Promise.all(ids.map(async (id) => ofJob(await jobs.get(id))))
  await show(invocation, all, (list) => jobTable(list, columns()))
}

const ofJob = ({ id, name, state, resources, usage }: Job): JobStats => ({
  id,
  name,
  state,
  resources,
  ...(usage === undefined ? {} : { usage }),
})

const ofSession = (session: SessionRecord): JobStats => ({
  id: session.id,
  name: session.name,
  state: session.status,
  session,
})

const layout: Column[] = [
  { title: 'ID' },
  { title: 'STATE' },
  { title: 'CORES', align: 'right' },
  { title: 'ASKED', align: 'right' },
  { title: 'CPU TIME', align: 'right', droppable: 2 },
  { title: 'MEMORY', align: 'right' },
  { title: 'PEAK', align: 'right', droppable: 1 },
  { title: 'LIMIT', align: 'right' },
]

/** Used beside requested resources, one job a line. A dash stands for what is not known. */
export function jobTable(all: readonly JobStats[], width: number): string {
  const rows = all.map(({ id, state, resources, usage, session }) => [
    id,
    state,
    shown(usage?.cores, (cores) => cores.toFixed(2)) ?? session?.cpuCoresInUse ?? '-',
    shown(resources, ({ cores }) =>
      cores.request === cores.limit ? `${cores.limit}` : `${cores.request}-${cores.limit}`,
    ) ??
      session?.requestedCPUCores ??
      '-',
    shown(usage?.cpuSeconds, duration) ?? '-',
    shown(usage?.memoryBytes, bytes) ?? shown(session?.ramInUse, memory) ?? '-',
    shown(usage?.memoryPeakBytes, bytes) ?? '-',
    shown(resources, ({ memoryGb }) => `${memoryGb.limit} GiB`) ?? shown(session?.requestedRAM, memory) ?? '-',
  ])
  return table(layout, rows, width)
}

const shown = <T>(value: T | undefined, text: (value: T) => string): string | undefined =>
  value === undefined ? undefined : text(value)
