import type { JobRequest, PlatformContext, JobScope } from '@science-platform/contract'
import { checkCommandSize } from './command-size.ts'
import { parseCommand } from './command.ts'
import { checkEnvironment } from './environment.ts'
import type { NewJob } from './job.ts'
import { checkLabels } from './labels.ts'
import { jobName, replicaName } from './name.ts'
import { resourcesFor } from './resources.ts'
import { timingOf } from './timing.ts'
import { chargedGroup } from './charged-group.ts'
import { normalisedDirectory } from './working-directory.ts'

/** 14 days, as on the reference server (wire contract 2.4). */
export const defaultTimeSeconds = 1_209_600

/** Seconds between SIGTERM and SIGKILL; the default of Kubernetes for a pod. */
const defaultGraceSeconds = 30

/**
 * The jobs of a request, ready to be stored: one, or `replicas` of them, made one by one. The request has passed the schema; rules
 * beyond the schema are checked here, before the first. Pure: `origin` supplies ids and the time.
 * @throws {InvalidRequest} naming the field.
 */
export function* jobsOf(
  request: JobRequest,
  origin: {
    readonly owner: { readonly name: string; readonly groups: readonly { readonly name: string }[] }
    readonly context: PlatformContext
    readonly now: number
    /** Scopes of the tokens of the jobs. Absent: the jobs have no tokens. */
    readonly jobToken?: readonly JobScope[] | undefined
    readonly newId: () => string
  },
): Generator<NewJob, void> {
  const { owner, context, now, jobToken, newId } = origin
  const name = jobName(request.name)
  const command = parseCommand(request.cmd, request.args)
  const env = checkEnvironment(request.env ?? {})
  const labels = checkLabels(request.labels ?? {})
  checkCommandSize(command, env)
  const workingDirectory =
    request.workingDirectory === undefined ? undefined : normalisedDirectory(request.workingDirectory)
  const resources = resourcesFor(request, context)
  const count = request.replicas ?? 1
  const many = count > 1
  const timing = timingOf(request, now)
  const group = chargedGroup(request.group, owner)
  const arrayId = many ? newId() : undefined
  for (let i = 0; i < count; i++)
    yield {
      id: newId(),
      owner: owner.name,
      name: replicaName(name, i + 1, count),
      image: request.image,
      state: 'queued',
      ...command,
      env: many
        ? { ...env, REPLICA_ID: String(i + 1), REPLICA_COUNT: String(count) }
        : { REPLICA_ID: '1', REPLICA_COUNT: '1', ...env },
      ...(workingDirectory === undefined ? {} : { workingDirectory }),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      resources,
      ...(request.network === undefined ? {} : { network: request.network }),
      ...(jobToken === undefined ? {} : { jobToken }),
      timeSeconds: request.timeSeconds ?? defaultTimeSeconds,
      ...(request.timeSeconds === undefined ? {} : { timeIsAsked: true }),
      graceSeconds: request.graceSeconds ?? defaultGraceSeconds,
      ...timing,
      ...(group === undefined ? {} : { group }),
      ...(request.gpuKind === undefined ? {} : { gpuKind: request.gpuKind }),
      ...(arrayId === undefined ? {} : { arrayId }),
      taskIndex: i + 1,
      taskCount: count,
      submittedAt: now,
      attempt: 0,
    }
}
