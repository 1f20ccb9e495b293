import type { Toleration } from '../../../configuration/config.ts'
import type { Node } from '../../executor.ts'
import type { NodeRecord, Tenant } from './records.ts'
import type { ClusterSettings } from '../settings.ts'

/** The capacity of the nodes for jobs: what is allocatable, less the requests of other programs' pods. Pure. */
export function nodesOf(
  nodes: Iterable<NodeRecord>,
  tenants: Iterable<Tenant>,
  settings: Pick<ClusterSettings, 'nodeSelector' | 'tolerations' | 'overcommit' | 'queue'>,
): Node[] {
  const taken = Map.groupBy(tenants, ({ node }) => node)
  const offered: Node[] = []
  for (const node of nodes) {
    if (!node.ready || node.cordoned || !isFor(node, settings)) continue
    const free = { cores: node.cores, memoryGb: node.memoryGb, gpus: node.gpus }
    for (const { cores, memoryGb, gpus } of taken.get(node.name) ?? []) {
      free.cores -= cores
      free.memoryGb -= memoryGb
      free.gpus -= gpus
    }
    free.cores *= settings.overcommit
    if (free.cores > 0 && free.memoryGb > 0) offered.push({ name: node.name, ...free })
  }
  const depth = settings.queue?.depth
  return depth === undefined ? offered : offered.map((node) => withQueue(node, depth))
}

/** A node of a cluster with Kueue, which gets more jobs than it runs at once and queues them. */
const withQueue = ({ name, cores, memoryGb, gpus }: Node, depth: number): Node => ({
  name,
  cores: cores * depth,
  memoryGb: memoryGb * depth,
  gpus: gpus * depth,
  largestJob: { cores, memoryGb, gpus },
})

function isFor(
  { labels, taints }: NodeRecord,
  { nodeSelector, tolerations }: Pick<ClusterSettings, 'nodeSelector' | 'tolerations'>,
): boolean {
  if (Object.entries(nodeSelector).some(([key, value]) => labels[key] !== value)) return false
  return taints
    .filter(({ effect }) => effect !== 'PreferNoSchedule')
    .every((taint) => tolerations.some((toleration) => tolerates(toleration, taint)))
}

/** The rule of core/v1: no key with `Exists` matches each taint, no effect each effect. */
const tolerates = (
  { key, operator = 'Equal', value = '', effect }: Toleration,
  taint: NodeRecord['taints'][number],
): boolean =>
  (effect === undefined || effect === taint.effect) &&
  (key === undefined ? operator === 'Exists' : key === taint.key && (operator === 'Exists' || value === taint.value))
