import { parseReference, printReference, unknownImage } from '../../../job/image-reference.ts'
import type { AttemptSpec } from '../../executor.ts'
import type { ImageFacts } from '../container/program-look.ts'

/** What the journal keeps of an attempt for later servers. */
export interface AttemptRecord {
  readonly spec: AttemptSpec
  readonly imageDigest: string
  readonly logLimitBytes: number
  /** Numbers of its GPUs. Earlier releases did not write them: each job had all. */
  readonly gpus?: readonly number[]
  /** Absent in the records of earlier releases. */
  readonly image?: ImageFacts
  /** The processors that it is bound to; absent where it is not bound. */
  readonly processors?: readonly number[]
}

/** The record as journals have it: the image as text. */
type RecordOnDisk = Omit<AttemptRecord, 'spec'> & {
  readonly spec: Omit<AttemptSpec, 'image'> & { readonly image: string }
}

/** The record of an attempt, on one line, without credentials and variables: no later server needs them. */
export function recordText({ spec, ...rest }: AttemptRecord): string {
  const { registryAuth: _, ...kept } = spec
  const image = printReference(kept.image)
  return JSON.stringify({ spec: { ...kept, env: {}, image }, ...rest } satisfies RecordOnDisk)
}

/** Reads the record; undefined when it is missing or incomplete, as after a power failure. */
export function parseRecord(text: string | undefined): AttemptRecord | undefined {
  if (text === undefined) return undefined
  try {
    const { spec, ...rest } = JSON.parse(text) as RecordOnDisk
    const image = parseReference(spec.image)
    return { spec: { ...spec, image: 'fault' in image ? unknownImage : image }, ...rest }
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Stands for a lost record: the attempt may have run, so it must not run again, and its ending names an image and an account. */
export const unknownRecord = (attemptId: string): AttemptRecord => ({
  spec: {
    id: attemptId,
    jobId: attemptId,
    name: attemptId.toLowerCase(),
    account: { name: 'unknown', uid: 65_534, gid: 65_534, groups: [] },
    image: unknownImage,
    env: {},
    resources: { cores: { request: 1, limit: 1 }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: false },
    graceSeconds: 0,
  },
  imageDigest: '',
  logLimitBytes: 0,
})
