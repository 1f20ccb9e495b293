import { realpath } from 'node:fs/promises'
import type { Command } from 'commander'
import { adopt, unrecordedAmong, type Candidate } from '../actions/adopt.ts'
import type { Config } from '../configuration/config.ts'
import type { AttemptEvidence } from '../executor/attempt-evidence.ts'
import type { LeaseRecord } from '../executor/kubernetes/lease/judge-lease.ts'
import { evidenceOfFolders } from '../executor/oci/attempt/folder-evidence.ts'
import { openLog } from '../lib/log.ts'
import type { Store } from '../store/store.ts'
import { instanceName } from './instance.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { printJson, type OutputOptions } from './output/output.ts'
import { printTable } from './output/table.ts'

/** Defines `adopt`. */
export function define(command: Command): void {
  located(command)
    .option('--yes', 'take over what is shown; without it nothing is changed')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      [
        '',
        'On Kubernetes it also takes the Lease of the instance, where no server of another database renews it.',
        'The server may run meanwhile; one that refused to start is started afterwards.',
        '',
        'Examples:',
        '  science-platform adopt --data /var/lib/science-platform          # what would be taken over',
        '  science-platform adopt --yes --config /etc/science-platform.yaml',
      ].join('\n'),
    )
    .action(run)
}

type Options = Location & OutputOptions & { readonly yes?: true }

/** Where attempts are found, and whose they are. */
interface Place {
  readonly evidence: readonly AttemptEvidence[]
  /** The Lease, where it belongs to another database. */
  readonly lease: LeaseRecord | undefined
  readonly takeLease: () => Promise<void>
  readonly close: () => void
}

async function run(options: Options): Promise<void> {
  const found = await withStore(options, look)
  const isChange = found.lease !== undefined || found.candidates.some(({ obstacle }) => obstacle === undefined)
  const isDone = options.yes === true && isChange
  if (isDone) await changeStore(options, { action: 'adopt', subject: subjectOf(found) }, takeOver)
  if (options.json) printJson(view(found, isDone))
  else print(found, isDone)
}

/** What would be taken over. */
interface Found {
  readonly lease: LeaseRecord | undefined
  readonly candidates: readonly Candidate[]
}

async function look(store: Store, config: Config): Promise<Found> {
  const place = await openPlace(store, config)
  try {
    return { lease: place.lease, candidates: await unrecordedAmong(store, place.evidence) }
  } finally {
    place.close()
  }
}

async function takeOver(store: Store, config: Config): Promise<void> {
  const place = await openPlace(store, config)
  try {
    if (place.lease !== undefined) await place.takeLease()
    for (const { evidence, obstacle } of await unrecordedAmong(store, place.evidence))
      if (obstacle === undefined) await adopt(store, evidence, Date.now())
  } finally {
    place.close()
  }
}

async function openPlace({ identity }: Store, config: Config): Promise<Place> {
  if (config.executor === 'oci') {
    const dataDir = await realpath(config.dataDir)
    const evidence = await evidenceOfFolders(dataDir, instanceName(dataDir))
    return { evidence, lease: undefined, takeLease: async () => {}, close: () => undefined }
  }
  const { kubeconfig, namespace, instance } = config.kubernetes
  const { openClusterEvidence } = await import('../executor/kubernetes/cluster-evidence.ts')
  const log = openLog({ level: 'warn', format: config.log.format })
  const at = kubeconfig === undefined ? {} : { kubeconfig }
  const cluster = await openClusterEvidence({ ...at, namespace, instance, identity, log })
  const close = (): void => {
    cluster.close()
  }
  try {
    const [evidence, holder] = [await cluster.attempts(), await cluster.holder()]
    const lease = holder?.identity === identity ? undefined : holder
    return { evidence, lease, takeLease: () => cluster.takeLease(), close }
  } catch (error) {
    close()
    throw error
  }
}

/** For the audit trail: how much, and from whom. */
const subjectOf = ({ lease, candidates }: Found): string =>
  [
    `${candidates.filter(({ obstacle }) => obstacle === undefined).length} attempts`,
    ...(lease === undefined ? [] : [`the Lease of ${lease.identity}`]),
  ].join(' and ')

const view = ({ lease, candidates }: Found, isDone: boolean) => ({
  adopted: isDone,
  ...(lease === undefined
    ? {}
    : { lease: { identity: lease.identity, since: lease.since, renewed: lease.renewed, host: lease.host } }),
  attempts: candidates.map(({ evidence, obstacle }) => ({
    id: evidence.id,
    owner: evidence.owner,
    name: evidence.name,
    image: evidence.image,
    command: [...(evidence.cmd ?? []), ...(evidence.args ?? [])],
    ...(evidence.identity === undefined ? {} : { identity: evidence.identity }),
    createdAt: new Date(evidence.createdAt).toISOString(),
    where: evidence.where,
    ...(obstacle === undefined ? {} : { obstacle }),
  })),
})

function print({ lease, candidates }: Found, isDone: boolean): void {
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  if (lease !== undefined)
    say(
      `The Lease belongs to the database ${lease.identity} since ${lease.since}; renewed last at ${lease.renewed} on ${lease.host}.`,
    )
  if (candidates.length > 0)
    printTable(
      ['ATTEMPT', 'OWNER', 'NAME', 'SINCE', 'DATABASE', 'WHERE'],
      candidates.map(({ evidence: { id, owner, name, createdAt, identity = '', where } }) => [
        id,
        owner,
        name,
        new Date(createdAt).toISOString().slice(0, 16),
        identity.slice(0, 8),
        where,
      ]),
    )
  for (const { evidence, obstacle } of candidates) if (obstacle !== undefined) say(`${evidence.id} stays: ${obstacle}`)
  const count = candidates.filter(({ obstacle }) => obstacle === undefined).length
  if (lease === undefined && count === 0) say('nothing to adopt')
  else if (isDone) say(`adopted ${count} attempts${lease === undefined ? '' : ' and the Lease'}`)
  else say(`nothing was changed; --yes adopts ${count} attempts${lease === undefined ? '' : ' and takes the Lease'}`)
}
