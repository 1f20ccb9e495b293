import type { V1Job } from '@kubernetes/client-node'
import type { AttemptEvidence } from '../../attempt-evidence.ts'
import { withoutEntry } from '../../entry/entry.ts'
import { jobIdOf } from '../../../job/job.ts'
import type { Labels } from '../../../job/labels.ts'
import type { JobRecordNote } from '../objects/job-object.ts'
import { attemptLabel, identityLabel, imageAnnotation, labelsAnnotation, recordAnnotation } from '../objects/names.ts'
import { parseQuantity } from '../objects/quantity.ts'

/** What a Job says of its attempt; undefined where it names none. Pure. */
export function evidenceOfJob(job: V1Job): AttemptEvidence | undefined {
  const { metadata = {}, spec } = job
  const { labels = {}, annotations = {} } = metadata
  const [pod, id] = [spec?.template.spec, labels[attemptLabel]]
  const container = pod?.containers[0]
  if (id === undefined || container === undefined) return undefined
  const note = jsonOf<JobRecordNote>(annotations[recordAnnotation])
  const ofJob = jsonOf<Labels>(annotations[labelsAnnotation])
  const identity = labels[identityLabel]
  const { args } = container
  const { command, workingDirectory } = commandOf(container.command)
  return {
    id,
    jobId: labels['canfar.net/id'] ?? jobIdOf(id),
    name: labels['canfar.net/name'] ?? id.toLowerCase(),
    owner: labels['canfar.net/username'] ?? '',
    image: annotations[imageAnnotation] ?? container.image ?? '',
    ...(command === undefined ? {} : { cmd: command }),
    ...(args === undefined ? {} : { args: args.map(unescaped) }),
    // Variables may hold secrets, which the server does not read back from the cluster.
    env: {},
    ...(workingDirectory === undefined ? {} : { workingDirectory }),
    ...(ofJob === undefined ? {} : { labels: ofJob }),
    resources: note?.resources ?? resourcesOf(container.resources ?? {}, labels['canfar.net/flavor'] === 'fixed'),
    ...(note?.network === undefined ? {} : { network: note.network }),
    graceSeconds: pod?.terminationGracePeriodSeconds ?? 30,
    ...(note === undefined ? {} : { origin: note.origin }),
    ...(identity === undefined ? {} : { identity }),
    createdAt: Date.parse(String(metadata.creationTimestamp ?? '')) || Date.now(),
    where: `Job ${metadata.namespace ?? ''}/${metadata.name ?? ''}`,
  }
}

/** The command of the job, and its working directory, from that of its container. Pure. */
export function commandOf(command: readonly string[] | undefined): Partial<ReturnType<typeof withoutEntry>> {
  return command === undefined ? {} : withoutEntry(command.map(unescaped))
}

/** Undoes the escape of dollars in commands. */
const unescaped = (text: string): string => text.replaceAll('$$', '$')

/** A note of a server of this release or a newer one; undefined where there is none, or a user changed it. */
function jsonOf<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as T
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The resources of a Job of an earlier release: its limits, since the requests of cores are divided by the overcommit. */
function resourcesOf(
  { limits = {}, requests = {} }: { limits?: Record<string, string>; requests?: Record<string, string> },
  fixed: boolean,
): AttemptEvidence['resources'] {
  const cores = parseQuantity(limits['cpu'])
  const memory = (list: Record<string, string>): number => parseQuantity(list['memory']) / 2 ** 30
  const gpus = Object.entries(limits).find(([name]) => name.endsWith('/gpu'))?.[1]
  return {
    cores: { request: cores, limit: cores },
    memoryGb: { request: memory(requests), limit: memory(limits) },
    gpus: gpus === undefined ? 0 : parseQuantity(gpus),
    fixed,
  }
}
