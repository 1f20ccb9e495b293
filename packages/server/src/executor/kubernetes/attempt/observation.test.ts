import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { observe, type Evidence } from './observation.ts'
import type { ContainerRecord, JobRecord, NodeRecord, PodRecord } from '../cache/records.ts'
import { requireReference } from '../../../job/image-reference.ts'

const job: JobRecord = {
  name: 'science-platform-k3x9a0qz-1',
  uid: 'u',
  version: 1,
  attemptId: 'k3x9a0qz-1',
  deleting: false,
  hasFinalizer: true,
  suspended: false,
  queued: false,
  failed: false,
  stopSeconds: undefined,
  cause: undefined,
  identity: undefined,
  image: requireReference('images.example/astro:1'),
  account: 'ada',
  workingDirectory: undefined,
  memoryLimitGb: 2,
}
const node: NodeRecord = {
  name: 'node-7',
  uid: 'n',
  version: 1,
  ready: true,
  cordoned: false,
  labels: {},
  taints: [],
  cores: 4,
  memoryGb: 8,
  gpus: 0,
}
const pod = (container: ContainerRecord, changes: Partial<PodRecord> = {}): PodRecord => ({
  name: 'p',
  uid: 'p',
  version: 1,
  attemptId: job.attemptId,
  node: 'node-7',
  createdAt: 1000,
  deletingUntil: undefined,
  deletedAt: undefined,
  hasFinalizer: true,
  hasSecret: false,
  gated: false,
  phase: 'Pending',
  reason: '',
  message: '',
  unschedulable: undefined,
  disruption: undefined,
  container,
  ...changes,
})
const evidence = (changes: Partial<Evidence>): Evidence => ({
  job,
  pod: undefined,
  node,
  requeued: false,
  stopRequested: false,
  deletingForMs: 0,
  warning: undefined,
  now: 100_000,
  ...changes,
})
const ended = (exitCode: number, reason = 'Error', message = ''): ContainerRecord => ({
  startedAt: 5000,
  imageDigest: `sha256:${'a'.repeat(64)}`,
  terminated: { at: 9000, exitCode, reason, message },
})
/** Code, exit code and message of the ending that evidence shows. */
const ending = (changes: Partial<Evidence>) => {
  const { ending: end } = observe(evidence(changes))
  return [end?.cause.code, end?.exitCode, end?.cause.message ?? ''] as const
}

describe('what a cluster shows of an attempt', () => {
  it('prepares until its container runs', () => {
    assert.deepEqual(observe(evidence({})), { phase: 'preparing' })
    assert.deepEqual(observe(evidence({ pod: pod({}) })), { node: 'node-7', phase: 'preparing' })
    const running = observe(evidence({ pod: pod({ startedAt: 5000 }, { phase: 'Running' }) }))
    assert.deepEqual(running, { node: 'node-7', startedAt: 5000, phase: 'running' })
  })

  it('ends with its command: by exit code, by signal, by the memory limit', () => {
    assert.deepEqual(ending({ pod: pod(ended(0, 'Completed')) }).slice(0, 2), ['exited', 0])
    assert.deepEqual(ending({ pod: pod(ended(3)) }).slice(0, 2), ['exited', 3])
    assert.deepEqual(ending({ pod: pod(ended(139)) }).slice(0, 2), ['exited', 139])
    const [code, exitCode, message] = ending({ pod: pod(ended(137, 'OOMKilled')) })
    assert.deepEqual([code, exitCode], ['out-of-memory', 137])
    // The node reports a kill of any process of the container.
    for (const code of [0, 3]) {
      const { ending: coped } = observe(evidence({ pod: pod(ended(code, 'OOMKilled')) }))
      assert.deepEqual([coped?.cause.code, coped?.exitCode], ['exited', code])
      assert.deepEqual(coped?.memoryKills, { count: 1, limitGb: 2 })
    }
    assert.match(message, /limit of 2 GiB/)
  })

  it('says why the working directory was not entered, or the command not run, where a job has one', () => {
    const of = (exitCode: number, message: string, workingDirectory: string | undefined = '/arc/x/y') =>
      ending({ job: { ...job, workingDirectory }, pod: pod(ended(exitCode, 'Error', message)) })
    const message = 'cannot enter /arc/x: permission denied\n'
    const [code, exitCode, text] = of(125, message)
    assert.deepEqual([code, exitCode], ['start-failed', undefined])
    assert.match(
      text,
      /^The working directory \/arc\/x\/y could not be entered: the user ada may not enter \/arc\/x\.$/,
    )
    assert.equal(of(127, 'exec fit: not found\n')[0], 'command-not-found')
    assert.match(of(127, 'exec ./fit: not found\n')[2], /no program \.\/fit in \/arc\/x\/y/)
    assert.deepEqual(of(1, message).slice(0, 2), ['exited', 1])
    const without = ending({ pod: pod(ended(125, 'Error', message)) })
    assert.deepEqual(without.slice(0, 2), ['exited', 125])
  })

  it('ends as stopped where the platform stopped it', () => {
    const stopped = observe(evidence({ job: { ...job, stopSeconds: 30, deleting: true }, pod: pod(ended(143)) }))
    assert.deepEqual([stopped.ending?.stopped, stopped.ending?.cause.code], [true, 'cancelled'])
    assert.match(ending({ stopRequested: true, pod: pod(ended(137)) })[2], /SIGKILL/)
    assert.deepEqual(ending({ stopRequested: true, pod: pod(ended(7)) }).slice(0, 2), ['exited', 7])
  })

  it('says why the cluster took it off its node', () => {
    const by = (reason: string) => ending({ pod: pod(ended(143), { disruption: { reason, message: '' } }) })
    assert.match(by('EvictionByEvictionAPI')[2], /node-7 is being drained/)
    assert.match(by('PreemptionByScheduler')[2], /job of higher priority/)
    assert.match(by('DeletionByTaintManager')[2], /does not answer/)
    for (const reason of ['EvictionByEvictionAPI', 'PreemptionByScheduler']) assert.equal(by(reason)[0], 'evicted')
    const disk = 'Pod ephemeral local storage usage exceeds the total limit of containers 2Gi.'
    assert.match(
      ending({ pod: pod(ended(137), { phase: 'Failed', reason: 'Evicted', message: disk }) })[2],
      /no disk space/,
    )
    assert.match(
      ending({ pod: pod(ended(143), { deletingUntil: 99_000, deletedAt: 8000 }) })[2],
      /pod was deleted in the cluster/,
    )
    // A job may handle SIGTERM and exit with any code.
    for (const code of [0, 7]) {
      const byHand = { deletingUntil: 39_000, deletedAt: 9000 }
      assert.deepEqual(ending({ pod: pod(ended(code), byHand) }).slice(0, 2), ['evicted', code])
      assert.deepEqual(ending({ pod: pod(ended(code), { ...byHand, deletedAt: 10_000 }) }).slice(0, 2), [
        'exited',
        code,
      ])
      assert.deepEqual(ending({ stopRequested: true, pod: pod(ended(code), byHand) }).slice(0, 2), ['exited', code])
    }
    const deleted = { ...job, deleting: true }
    assert.match(
      ending({ job: deleted, pod: pod(ended(143), { deletingUntil: 99_000, deletedAt: 8000 }) })[2],
      /Job was deleted/,
    )
  })

  it('is lost with its node, after the grace period of the node', () => {
    const silent = { ...node, ready: false }
    const leaving = pod({ startedAt: 5000 }, { phase: 'Running', deletingUntil: 95_000 })
    const { phase, silence } = observe(evidence({ pod: leaving, node: silent }))
    assert.equal(phase, 'running')
    assert.match(silence ?? '', /node-7 does not answer/)
    assert.equal(ending({ pod: leaving, node: silent, now: 106_000 })[0], 'lost')
    assert.equal(
      observe(evidence({ pod: leaving, now: 106_000 })).phase,
      'running',
      'a node that answers has more time',
    )
    assert.equal(ending({ pod: leaving, node: undefined })[0], 'lost')
    assert.equal(ending({ pod: pod(ended(137, 'ContainerStatusUnknown')) })[0], 'lost')
  })

  it('ends with the deadline of the cluster', () => {
    assert.equal(ending({ pod: pod(ended(143), { phase: 'Failed', reason: 'DeadlineExceeded' }) })[0], 'time-limit')
  })

  it('fails where its program cannot be run', () => {
    const message = 'failed to create task: exec: "fit": executable file not found in $PATH: unknown'
    const container = { terminated: { at: 9000, exitCode: 128, reason: 'StartError', message } }
    assert.deepEqual(ending({ pod: pod(container, { phase: 'Failed' }) }).slice(0, 2), ['command-not-found', undefined])
  })

  it('fails where its Secret was deleted by hand', () => {
    const message = 'secret "platform-a-1-0a1b2c3d" not found'
    const waits = (now: number) =>
      observe(evidence({ now, pod: pod({ waiting: { reason: 'CreateContainerConfigError', message } }) }))
    assert.match(waits(2000).waiting ?? '', /cannot be created yet/, 'the node may not have seen it yet')
    assert.equal(waits(25_000).failure?.code, 'start-failed')
  })

  it('fails where its image is missing or refused, and waits for a registry that does not answer', () => {
    const waits = (message: string, now: number, hasSecret = false) =>
      observe(evidence({ now, pod: pod({ waiting: { reason: 'ErrImagePull', message } }, { hasSecret }) }))
    const missing = 'rpc error: code = NotFound desc = failed to resolve reference "r/x:1": r/x:1: not found'
    assert.equal(waits(missing, 2000).failure?.code, 'image-not-found')
    assert.equal(waits('pull access denied, authorization failed', 2000).failure?.code, 'image-unauthorized')
    const refusal = 'pull access denied, authorization failed'
    assert.match(waits(refusal, 2000, true).waiting ?? '', /retries once/, 'its Secret may not have reached the node')
    assert.equal(waits(refusal, 25_000, true).failure?.code, 'image-unauthorized')
    assert.equal(waits('no match for platform in manifest: not found', 2000).failure?.code, 'image-wrong-platform')
    const refused = 'dial tcp 10.0.0.1:443: connect: connection refused'
    assert.deepEqual([waits(refused, 2000).failure?.code, waits(refused, 2000).passes], ['image-unreachable', true])
    assert.equal(waits('no match for platform in manifest: not found', 2000).passes, undefined)
    assert.equal(waits('something new', 2000).passes, true)
    assert.equal(waits('tls: failed to verify certificate: x509: unknown authority', 2000).passes, undefined)
  })

  it('says in plain words what it waits for', () => {
    const message =
      '0/3 nodes are available: 1 Insufficient cpu, 1 Insufficient nvidia.com/gpu, 1 node(s) were unschedulable. preemption: none'
    const words = observe(evidence({ pod: pod({}, { unschedulable: message, node: undefined }) })).waiting ?? ''
    assert.match(words, /1 without enough free cores, 1 without a free GPU, 1 closed for new jobs/)
    const quota = 'pods "x" is forbidden: exceeded quota: team, requested: pods=1, used: pods=4, limited: pods=4'
    assert.match(
      observe(evidence({ warning: { reason: 'FailedCreate', message: quota } })).waiting ?? '',
      /quota team is used up: the job requests pods=1; pods=4 of pods=4 are in use/,
    )
    const mount = { reason: 'FailedMount', message: 'claim "arc" not found\nmore' }
    assert.match(
      observe(evidence({ pod: pod({}), warning: mount })).waiting ?? '',
      /storage is not available yet: claim "arc" not found\./,
    )
  })

  it('says what the queue of the cluster lacks', () => {
    const waiting = (message?: string) =>
      observe(
        evidence({
          job: { ...job, suspended: true, queued: true },
          warning: message === undefined ? undefined : { reason: 'Pending', message },
        }),
      ).waiting
    assert.equal(waiting(), 'The job waits in the queue of the cluster (Kueue).')
    const without = "couldn't assign flavors to pod set main: "
    assert.match(
      waiting(
        `${without}insufficient unused quota for cpu in flavor node, 1500m more needed, insufficient unused quota for memory in flavor node, 1Gi more needed`,
      ) ?? '',
      /\(Kueue\): 1\.5 cores in node and 1 GiB of memory in node must become free\.$/,
    )
    assert.match(
      waiting(
        `${without}insufficient quota for cpu in flavor node, previously considered podsets requests (0) + current podset request (8) > maximum capacity (4)`,
      ) ?? '',
      /which has 4 cores in node at most; the job requests 8 cores\./,
    )
    assert.match(waiting('ClusterQueue observatory is inactive') ?? '', /: ClusterQueue observatory is inactive\.$/)
  })

  it('is evicted by Kueue where its Job is suspended or its pod created again', () => {
    const left = pod(ended(143), { deletingUntil: 99_000, deletedAt: 8000 })
    for (const change of [
      { job: { ...job, queued: true, suspended: true } },
      { job: { ...job, queued: true }, requeued: true },
    ]) {
      const [code, , message] = ending({ ...change, pod: left })
      assert.deepEqual([code, /\(Kueue\) evicted the job from node-7/.test(message)], ['evicted', true])
    }
  })

  it('has not run where its Job was deleted before it had a pod, once no pod can appear any more', () => {
    const deleting = { ...job, deleting: true, stopSeconds: 0 }
    assert.equal(observe(evidence({ job: deleting, deletingForMs: 100 })).phase, 'preparing')
    const { ending: end } = observe(evidence({ job: deleting, deletingForMs: 4000 }))
    assert.deepEqual([end?.stopped, end?.exitCode, end?.cause.code], [true, undefined, 'cancelled'])
  })

  it('keeps the cause that the platform wrote on its Job', () => {
    const cause = JSON.stringify({ at: 7, cause: { code: 'image-not-found', message: 'There is none.' } })
    const { ending: end } = observe(evidence({ job: { ...job, cause, deleting: true }, pod: pod({}) }))
    assert.deepEqual([end?.at, end?.cause.code], [7, 'image-not-found'])
  })
})
