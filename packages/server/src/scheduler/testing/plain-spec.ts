import { requireReference } from '../../job/image-reference.ts'
import type { AttemptSpec } from '../../executor/executor.ts'
import { attemptId, type StoredJob } from '../../job/job.ts'

/** The spec of a job's attempt, with placeholders for account and credentials: a simulation reads neither. */
export const plainSpec = ({
  id,
  attempt,
  name,
  owner,
  image,
  env,
  resources,
  graceSeconds,
}: StoredJob): AttemptSpec => ({
  id: attemptId(id, attempt),
  jobId: id,
  name,
  account: { name: owner, uid: 1001, gid: 1001, groups: [] },
  image: requireReference(image),
  env,
  resources,
  graceSeconds,
})
