import type { QueueOverview } from '@science-platform/contract'
import { fields } from './fields.ts'
import { instant } from './quantities.ts'
import { table } from './table.ts'
import { counted, scoreText } from './why-text.ts'

type Holder = QueueOverview['holders'][number]

/** The queue for people, within `width` columns. */
export function queueText(queue: QueueOverview, width: number): string {
  const { nodes, capacity, free, largestFree, running, waiting, offPeak, scores } = queue
  const all = waiting.small + waiting.normal + waiting.large
  const gpus = capacity.gpus === 0 ? '' : `, ${free.gpus} of ${counted(capacity.gpus, 'GPU')}`
  const head = fields(
    [
      [
        'Free',
        `${rounded(free.cores)} of ${counted(capacity.cores, 'core')}, ${rounded(free.memoryGb)} of ${rounded(capacity.memoryGb)} GiB${gpus}`,
      ],
      ['On one node', largestFree.map(placeText).join('; or ')],
      ['Nodes', String(nodes)],
      ['Running', counted(running, 'job')],
      ['Waiting', `${counted(all, 'job')}: ${waiting.small} small, ${waiting.normal} normal, ${waiting.large} large`],
      ['Off-peak', offPeak && offPeakText(offPeak)],
      ['Estimates', scoreText(scores.start, 'start')],
      ['', scoreText(scores.run, 'run time')],
    ],
    width,
  )
  const rows = queue.holders.map((holder) => [
    `${holder.kind} ${holder.name}`,
    ...(['cores', 'memoryGb', 'gpus', 'running', 'queued'] as const).map((key) => heldText(holder, key)),
    rounded(holder.coreHours),
  ])
  return `${head}\n\n${table(layout, rows, width)}`
}

const layout = [
  { title: 'WHO', cut: 'end' },
  { title: 'CORES', align: 'right' },
  { title: 'GiB', align: 'right' },
  { title: 'GPUS', align: 'right', droppable: 1 },
  { title: 'RUNNING', align: 'right' },
  { title: 'WAITING', align: 'right' },
  { title: 'CORE-HOURS', align: 'right' },
] as const

/** Free capacity on one node, which a single job may request. */
function placeText({ cores, memoryGb, gpus }: QueueOverview['free']): string {
  const parts = [
    counted(tenths(cores), 'core'),
    `${rounded(memoryGb)} GiB`,
    ...(gpus === 0 ? [] : [counted(gpus, 'GPU')]),
  ]
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1) ?? ''}`
}

/** Allocation of a holder, with the limit if there is one. */
function heldText({ holds, limits }: Holder, key: keyof Holder['holds']): string {
  const limit = limits[key]
  return limit === undefined ? rounded(holds[key]) : `${rounded(holds[key])}/${rounded(limit)}`
}

function offPeakText({ isNow, changesAt, timezone }: NonNullable<QueueOverview['offPeak']>): string {
  if (changesAt === undefined) return isNow ? 'always' : 'never'
  const time = Temporal.Instant.from(changesAt).toZonedDateTimeISO(timezone).toPlainTime()
  const there = timezone === 'UTC' ? '' : ` (${time.toString({ smallestUnit: 'minute' })} in ${timezone})`
  return `${isNow ? 'now, until' : 'from'} ${instant(changesAt)}${there}${isNow ? '' : ' on'}`
}

const tenths = (value: number): number => Math.round(value * 10) / 10
const rounded = (value: number): string => String(tenths(value))
