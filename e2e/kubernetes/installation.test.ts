import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Jobs } from '@science-platform/client'
import { busyboxImage } from '../../packages/server/src/image/testing/busybox-image.ts'
import { pushImage } from '../../packages/server/src/image/testing/registry.ts'
import { text } from '../../packages/server/src/executor/attempt-runner.ts'
import { Chart, fullValues } from '../support/chart.ts'
import {
  applyObjects,
  clusterRegistry,
  kubectl,
  kubectlFolder,
  removeNamespace,
  testKubeconfig,
} from '../support/cluster-place.ts'
import { eventually, onKubernetes } from '../support/platform.ts'
import { ApiServerProxy } from '../support/api-server-proxy.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../..', import.meta.url))

/** The address of the API server in the environment of pods: the first of the service range. */
const serviceAddress = '10.96.0.1'

describe('the chart, installed', { skip: onKubernetes ? false : 'it takes EXECUTOR=kubernetes' }, () => {
  const own = Math.random().toString(36).slice(2, 8)
  const platform = `chart-platform-${own}`
  const jobs = `chart-jobs-${own}`
  const pod = 'batch-science-platform-0'
  const secondPod = 'batch-science-platform-1'
  const sealKey = randomBytes(32).toString('base64')
  const inPlatform = ['-n', platform]
  const onCluster = ['--kubeconfig', testKubeconfig()]
  const withHelm = [...onCluster, '--namespace', platform]
  const values = {
    image: { repository: `${clusterRegistry}/science-platform`, tag: 'test' },
    publicUrl: 'https://batch.example.org',
    jobs: { namespace: jobs, usage: 'kubelet', scratchGb: 1 },
    storage: { home: { claim: 'arc-home' }, projects: { claim: 'arc-projects' } },
    data: { size: '1Gi' },
    ingress: { enabled: true, className: 'nginx', tlsSecret: 'batch-tls' },
    // The 31st of February: the test starts it.
    backup: { enabled: true, claim: 'backups', schedule: '0 0 31 2 *', keep: 1 },
    sealKey: { existingSecret: 'seal' },
    config: {
      images: { registries: [clusterRegistry], insecure: [clusterRegistry] },
      kubernetes: { dnsPolicy: 'Default', overcommit: 4 },
    },
  }
  /** Clean-up steps in reverse order, also after a failed set-up. */
  const made = new AsyncDisposableStack()
  let folder: string
  let chart: Chart
  let token: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sp-installation-'))
    made.defer(() => rm(folder, { recursive: true, force: true }))
    await run(join(repository, 'deploy/image/build-image'), [join(folder, 'server.tar')], { timeout: 400_000 })
    for (const tag of ['test', 'upgraded'])
      await pushImage(join(folder, 'server.tar'), { host: clusterRegistry }, `science-platform:${tag}`)
    await busyboxImage({ archive: join(folder, 'busybox.tar') })
    await pushImage(join(folder, 'busybox.tar'), { host: clusterRegistry }, 'installed/busybox:1')
    chart = await Chart.open(folder)
    // Replaces kube-proxy, which the test cluster lacks, for connections of pods to the API server.
    await run('ip', ['addr', 'replace', `${serviceAddress}/32`, 'dev', 'kube0'])
    made.defer(async () => {
      await run('ip', ['addr', 'del', `${serviceAddress}/32`, 'dev', 'kube0'])
    })
    const proxy = await ApiServerProxy.open(serviceAddress, 443)
    made.defer(() => {
      proxy.close()
    })
    made.defer(async () => {
      await kubectl('delete', 'pv', '-l', `installation=${own}`, '--wait=false')
    })
    for (const namespace of [platform, jobs]) made.defer(() => removeNamespace(namespace))
    made.defer(() => chart.uninstall('batch', withHelm).catch(() => undefined))
    await provideVolumes()
  })

  after(() => made.disposeAsync())

  /** A volume for each claim, as operators create them without a storage class. Both namespaces have the same users' files. */
  async function provideVolumes(): Promise<void> {
    const volume = async (name: string, path: string, claim: string, namespace: string) => {
      await mkdir(join(folder, path), { recursive: true })
      return {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: { name, labels: { installation: own } },
        spec: {
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteMany', 'ReadWriteOnce'],
          hostPath: { path: join(folder, path) },
          claimRef: { namespace, name: claim },
        },
      }
    }
    const volumes = [
      await volume(`${own}-data`, 'data', `data-${pod}`, platform),
      await volume(`${own}-data-1`, 'data-1', `data-${secondPod}`, platform),
      await volume(`${own}-backups`, 'backups', 'backups', platform),
      ...(await Promise.all(
        [platform, jobs].flatMap((namespace) =>
          ['home', 'projects'].map((what) => volume(`${namespace}-${what}`, what, `arc-${what}`, namespace)),
        ),
      )),
    ]
    await applyObjects(volumes)
    await kubectl('create', 'namespace', platform)
    await applyObjects(claims(platform, 'backups'))
    await applyObjects([
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'seal', namespace: platform },
        stringData: { 'seal.key': sealKey },
      },
    ])
  }

  const claims = (namespace: string, ...more: readonly string[]) =>
    ['arc-home', 'arc-projects', ...more].map((name) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name, namespace },
      spec: { accessModes: ['ReadWriteMany'], storageClassName: '', resources: { requests: { storage: '1Gi' } } },
    }))

  const command = (...words: readonly string[]): Promise<string> =>
    kubectl(
      'exec',
      ...inPlatform,
      pod,
      '--',
      'science-platform',
      ...words,
      '--config',
      '/etc/science-platform/config.yaml',
    )

  /** Clients of the pod's own address, because the test cluster has no ingress controller. */
  const client = async (): Promise<Jobs> => {
    const address = await kubectl('get', 'pod', pod, ...inPlatform, '-o', 'jsonpath={.status.podIP}')
    return new Jobs({ url: `http://${address}:8080`, token })
  }

  /** Runs a command of docs/operations/kubernetes.md in the namespace of this test. */
  const documented = (command: string, instead: Readonly<Record<string, string>> = {}): Promise<string> =>
    chart.asDocumented('docs/operations/kubernetes.md', command, values, { 'science-platform': platform, ...instead }, [
      ...onCluster,
      '--wait',
      '--timeout',
      '120s',
    ])

  it('starts, is ready, and creates users and tokens by its own command', async () => {
    await documented('helm install batch')
    await applyObjects(claims(jobs))
    await command('user', 'add', 'ada', '--group', 'survey')
    token = (await command('token', 'create', 'ada')).trim()
    assert.match(await kubectl('get', 'ingress', ...inPlatform), /batch\.example\.org .*443/)
  })

  const submit = async (line: string): Promise<string> => {
    const request = { name: 'installed', image: `${clusterRegistry}/installed/busybox:1`, cmd: 'sh', cores: 1 }
    const [id = ''] = (await (await client()).submit({ ...request, memoryGb: 1, args: ['-c', line] })).ids
    return id
  }
  const ended = async (id: string) => {
    const [job] = await (await client()).wait([id], { signal: AbortSignal.timeout(120_000) })
    return job
  }
  const log = async (id: string): Promise<string> => text((await client()).logs(id))

  it('runs a job as its user, in a namespace for restricted pods only', async () => {
    const enforced = 'jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}'
    assert.equal(await kubectl('get', 'namespace', jobs, '-o', enforced), 'restricted')
    const id = await submit('id -un; touch mine; ls -n /arc/home/ada | grep -c mine; id -u')
    const job = await ended(id)
    assert.equal(job?.state, 'succeeded', JSON.stringify(job?.cause))
    assert.match(await log(id), /^ada\n1\n[0-9]{4,}\n$/)
  })

  it('has a second replica that refuses to start, and harms no running job', async () => {
    const id = await submit('echo before; until [ -e scaled ]; do sleep 0.2; done; rm scaled; echo after; exit 6')
    await eventually('its first words', async () => (await log(id)) === 'before\n')
    const scale = (replicas: number) =>
      kubectl('scale', ...inPlatform, 'statefulset/batch-science-platform', `--replicas=${replicas}`)
    await scale(2)
    const refusal =
      /does not run the jobs of the instance science-platform .* they belong to the database [-0-9a-f]{36} since/
    await eventually('the second to refuse', async () =>
      refusal.test(await kubectl('logs', ...inPlatform, secondPod).catch(() => '')),
    )
    assert.equal((await (await client()).get(id)).state, 'running')
    await scale(1)
    await ended(await submit('touch scaled'))
    assert.equal((await ended(id))?.exitCode, 6)
    assert.equal(await log(id), 'before\nafter\n')
  })

  it('is backed up by its CronJob while it runs, without the key', async () => {
    await kubectl('create', 'job', ...inPlatform, 'backup-now', '--from=cronjob/batch-science-platform-backup')
    await kubectl('wait', ...inPlatform, '--for=condition=complete', '--timeout=100s', 'job/backup-now')
    const files = await readdir(join(folder, 'backups'))
    assert.equal(files.length, 1, files.join())
    assert.match(files[0] ?? '', /^platform-\d{8}T\d{6}Z\.backup$/)
    const backup = new DatabaseSync(join(folder, 'backups', files[0] ?? ''), { readOnly: true })
    const facts = backup.prepare('select name from backup_facts').all()
    assert.ok(facts.some(({ name }) => name === 'key'))
    assert.deepEqual({ ...backup.prepare('select count(*) as users from accounts').get() }, { users: 1 })
    backup.close()
    const bytes = await readFile(join(folder, 'backups', files[0] ?? ''))
    for (const secret of [sealKey, Buffer.from(sealKey, 'base64')]) assert.equal(bytes.includes(secret), false)
    assert.equal(await kubectl('exec', ...inPlatform, pod, '--', 'cat', '/var/lib/science-platform/seal.key'), sealKey)
  })

  it('is upgraded without losing a running job, its log or its end', async () => {
    const id = await submit('echo before; until [ -e upgraded ]; do sleep 0.2; done; rm upgraded; echo after; exit 4')
    await eventually('its first words', async () => (await log(id)) === 'before\n')
    await documented('helm upgrade batch', { 'image.tag=0.2.0': 'image.tag=upgraded' })
    const image = await kubectl('get', 'pod', pod, ...inPlatform, '-o', 'jsonpath={.spec.containers[0].image}')
    assert.equal(image, `${clusterRegistry}/science-platform:upgraded`)
    assert.equal((await (await client()).get(id)).state, 'running')
    await ended(await submit('touch upgraded'))
    assert.equal((await ended(id))?.exitCode, 4)
    assert.equal(await log(id), 'before\nafter\n')
  })

  it('leaves data and jobs when it is uninstalled, and the documented command removes the jobs', async () => {
    const id = await submit('sleep 3600')
    await eventually('it to run', async () => (await (await client()).get(id)).state === 'running')
    await chart.uninstall('batch', [...withHelm, '--wait'])
    assert.match(await kubectl('get', 'namespace', jobs, '-o', 'name'), new RegExp(`namespace/${jobs}`))
    assert.match(await kubectl('get', 'pvc', ...inPlatform, '-o', 'name'), new RegExp(`data-${pod}`))
    const phases = ['get', 'pods', '-n', jobs, '-o', 'jsonpath={.items[*].status.phase}']
    assert.equal(await kubectl(...phases), 'Running')
    const policies = ['get', 'networkpolicy', '-n', jobs, '-o', 'name']
    assert.equal((await kubectl(...policies)).trim().split('\n').length, 2, 'running jobs keep their network policies')
    const page = await readFile(join(repository, 'docs/operations/kubernetes.md'), 'utf8')
    const [, commands = ''] = /\n## Uninstall\n[^]*?\n```sh\n([^]*?)```/.exec(page) ?? []
    await run('sh', ['-euc', commands.replaceAll('science-platform-jobs', jobs)], {
      env: { ...process.env, KUBECONFIG: testKubeconfig(), PATH: `${kubectlFolder()}:${process.env['PATH']}` },
    })
    await eventually(
      'nothing to be left',
      async () => (await kubectl('get', 'jobs,pods,networkpolicies', '-n', jobs, '-o', 'name')) === '',
    )
  })

  it('has only objects that the API server accepts, with all values set', async () => {
    const file = join(folder, 'everything.yaml')
    await writeFile(file, await chart.helm(['template', 'all'], fullValues, ['--namespace', platform]))
    // A dry run does not create the namespace of the jobs, so it must exist.
    await kubectl('create', 'namespace', fullValues.jobs.namespace)
    try {
      await kubectl('apply', '--dry-run=server', '-f', file)
    } finally {
      await kubectl('delete', 'namespace', fullValues.jobs.namespace, '--wait=false')
    }
  })
})
