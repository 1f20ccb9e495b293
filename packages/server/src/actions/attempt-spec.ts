import { accountFor } from '../access/accounts.ts'
import type { RegistryLogins } from '../access/registry-logins.ts'
import type { AttemptOrigin, AttemptSpec } from '../executor/executor.ts'
import { mergedEnvironment, platformEnvironment } from '../job/environment.ts'
import { requireReference } from '../job/image-reference.ts'
import { attemptId, type StoredJob } from '../job/job.ts'
import { classOf } from '../scheduler/rules/job-class.ts'
import { needsOf } from '../scheduler/cache/planned-job.ts'
import type { Policy } from '../configuration/policy/policy.ts'
import type { Store } from '../store/store.ts'

/** Builds the attempt specification that the executor needs for a job's latest attempt. */
export async function attemptSpec(
  job: StoredJob,
  {
    store,
    logins,
    jobToken,
    platformUrl,
    defaultNetwork,
    policy,
    identity,
  }: {
    readonly store: Pick<Store, 'account'>
    readonly logins: Pick<RegistryLogins, 'ofJob'>
    /** The token that a job carries. */
    readonly jobToken: (jobId: string) => string
    /** The platform URL for jobs on a network: scheme, host and port. */
    readonly platformUrl: (network: AttemptSpec['network']) => string
    readonly defaultNetwork?: AttemptSpec['network']
    readonly policy: Pick<Policy, 'classes'>
    /** The identity of the database. */
    readonly identity: string
  },
): Promise<AttemptSpec> {
  const image = requireReference(job.image)
  const [account, registryAuth] = await Promise.all([store.account(job.owner), logins.ofJob(job, image)])
  if (account === undefined) throw new Error(`its owner ${job.owner} is no user of the platform any more`)
  const network = job.network ?? defaultNetwork
  const ofPlatform = platformEnvironment({
    id: job.id,
    owner: job.owner,
    hostname: job.name,
    home: `/arc/home/${job.owner}`,
    workingDirectory: job.workingDirectory,
    attempt: job.attempt,
    resources: job.resources,
    token:
      job.jobToken === undefined ? undefined : { token: jobToken(job.id), url: `${platformUrl(network)}/skaha/v1` },
  })
  return {
    id: attemptId(job.id, job.attempt),
    jobId: job.id,
    name: job.name,
    account: accountFor(account),
    image,
    ...(job.imageDigest === undefined ? {} : { imageDigest: job.imageDigest }),
    ...(job.cmd === undefined ? {} : { cmd: job.cmd }),
    ...(job.args === undefined ? {} : { args: job.args }),
    env: mergedEnvironment(job.env, ofPlatform),
    publicEnv: publicVariables(job, ofPlatform),
    ...(job.workingDirectory === undefined ? {} : { workingDirectory: job.workingDirectory }),
    ...(job.labels === undefined ? {} : { labels: job.labels }),
    resources: job.resources,
    ...(network === undefined ? {} : { network }),
    graceSeconds: job.graceSeconds,
    priorityClass: classOf(needsOf(job), policy),
    ...(registryAuth === undefined ? {} : { registryAuth }),
    origin: originOf(job, identity),
  }
}

/** Pure. */
const originOf = (
  { submittedAt, timeSeconds, group, arrayId, taskIndex, taskCount }: StoredJob,
  identity: string,
): AttemptOrigin => ({
  identity,
  submittedAt,
  timeSeconds,
  ...(group === undefined ? {} : { group }),
  ...(arrayId === undefined ? {} : { arrayId }),
  taskIndex,
  taskCount,
})

/** The variables that the platform set, other than the job's token. A value that the user gave may be a secret. Pure. */
function publicVariables(job: StoredJob, ofPlatform: Readonly<Record<string, string>>): readonly string[] {
  const ofTask: Readonly<Record<string, string>> = {
    REPLICA_ID: String(job.taskIndex),
    REPLICA_COUNT: String(job.taskCount),
  }
  return [
    ...Object.keys(ofPlatform).filter((key) => key !== 'CANFAR_TOKEN' && job.env[key] === undefined),
    ...Object.keys(ofTask).filter((key) => job.env[key] === ofTask[key]),
  ]
}
