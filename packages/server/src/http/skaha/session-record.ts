import type { SessionRecord, Usage } from '@science-platform/contract'
import type { StoredJob } from '../../job/job.ts'
import type { StoredAccount } from '../../store/store.ts'
import type { Dialect } from './dialect.ts'

/** A job on the wire (wire contract 1.6). Pure. `usage` is the current usage of a running job. */
export function sessionRecord(
  job: StoredJob,
  owner: Pick<StoredAccount, 'uid' | 'gid' | 'groups'> | undefined,
  dialect: Dialect,
  usage: Usage | undefined,
  reason: string | undefined,
): SessionRecord {
  const { resources, startedAt, exitCode, cause } = job
  const waits = reason
  const startAt = startedAt ?? (dialect.startsWhenSubmitted ? job.submittedAt : undefined)
  const expiresAt = job.deadlineAt ?? (startedAt === undefined ? undefined : startedAt + job.timeSeconds * 1000)
  return {
    id: job.id,
    userid: job.owner,
    runAsUID: owner === undefined ? '' : String(owner.uid),
    runAsGID: owner === undefined ? '' : String(owner.gid),
    supplementalGroups: owner?.groups.map(({ gid }) => gid) ?? [],
    image: job.image,
    type: 'headless',
    status: dialect.words[job.state] ?? 'Terminating',
    name: job.name,
    ...(startAt === undefined ? {} : { startTime: wireTime(startAt) }),
    ...(startedAt === undefined || expiresAt === undefined ? {} : { expiryTime: wireTime(expiresAt) }),
    connectURL: '',
    ...(resources.fixed
      ? {
          requestedRAM: decimalGigabytes(resources.memoryGb.request * 2 ** 30),
          requestedCPUCores: coresText(resources.cores.request),
        }
      : {}),
    requestedGPUCores: String(resources.gpus),
    ...(usage?.memoryBytes === undefined ? {} : { ramInUse: decimalGigabytes(usage.memoryBytes) }),
    ...(usage?.cores === undefined ? {} : { cpuCoresInUse: usage.cores.toFixed(3) }),
    isFixedResources: resources.fixed,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(cause === undefined ? {} : { cause }),
    ...(waits === undefined ? {} : { reason: waits }),
  }
}

/** UTC with `Z`, to the second. The published client cannot read a time without an offset. */
export const wireTime = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`

/** Gigabytes of 10^9 bytes with two decimals, and no unit. */
const decimalGigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2)

const coresText = (cores: number): string => (Number.isInteger(cores) ? String(cores) : cores.toFixed(3))
