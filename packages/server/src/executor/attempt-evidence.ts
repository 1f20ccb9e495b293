import type { AttemptSpec } from './executor.ts'

/** What an attempt says of itself where it runs: enough to write a record of it. */
export interface AttemptEvidence extends Pick<
  AttemptSpec,
  | 'id'
  | 'jobId'
  | 'name'
  | 'cmd'
  | 'args'
  | 'env'
  | 'workingDirectory'
  | 'labels'
  | 'resources'
  | 'network'
  | 'graceSeconds'
  | 'imageDigest'
  | 'origin'
> {
  readonly owner: string
  /** The image reference as text. */
  readonly image: string
  /** The identity of the database that has its record; absent: a release that stamped none started it. */
  readonly identity?: string
  /** Its node, once known. */
  readonly node?: string
  /** Milliseconds since the epoch: when it was prepared, at the latest. */
  readonly createdAt: number
  /** Where it was found: the Job with its namespace, or the folder. */
  readonly where: string
}
