import type { StoredJob } from '../../job/job.ts'
import type { StoredHolder } from '../../store/store.ts'

/** A user or a group with limits. */
export interface QuotaHolderName {
  readonly kind: StoredHolder['kind']
  readonly name: string
}

export const quotaHolderKey = ({ kind, name }: QuotaHolderName): string => `${kind} ${name}`

/** The quota holders of a job: its user, and the group that is charged. */
export const quotaHoldersOf = ({ owner, group }: Pick<StoredJob, 'owner' | 'group'>): readonly QuotaHolderName[] => [
  { kind: 'user', name: owner },
  ...(group === undefined ? [] : [{ kind: 'group', name: group } as const]),
]
