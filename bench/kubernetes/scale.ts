import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../packages/server/src/lib/free-port.ts'
import { Platform, testImage } from '../../e2e/support/platform.ts'
import { applyObjects, kubectl, testKubeconfig } from '../../e2e/support/cluster-place.ts'
import { ClusterProcess, nodeReady } from '../../e2e/support/cluster-process.ts'
import { memoryOf } from '../machine.ts'
import { run } from '../run-program.ts'
import type { ScaleFigures } from './report.ts'

const label = 'bench=simulated'
const goProgram = fileURLToPath(new URL('../../scripts/go-program', import.meta.url))

/** Simulated nodes (kwok) on the test cluster. */
export interface SimulatedNodes extends AsyncDisposable {
  readonly count: number
}

/** Adds simulated nodes with a pod limit, and raises the default rate limits of the cluster. */
export async function simulatedNodes(pods: number): Promise<SimulatedNodes> {
  const perNode = 500
  const count = Math.ceil(pods / perNode)
  for (const name of ['controller-manager', 'scheduler'] as const) {
    const part = new ClusterProcess(name)
    await part.stop()
    await part.start(['--kube-api-qps=1000', '--kube-api-burst=2000'])
  }
  await nodeReady()
  const nodes = Array.from({ length: count }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: `simulated-${i}`,
      labels: { bench: 'simulated', 'kubernetes.io/hostname': `simulated-${i}` },
      annotations: { 'kwok.x-k8s.io/node': 'fake' },
    },
    status: {
      allocatable: { cpu: '1000', memory: '4Ti', pods: String(perNode) },
      capacity: { cpu: '1000', memory: '4Ti', pods: String(perNode) },
    },
  }))
  await applyObjects(nodes)
  const program = (await run(goProgram, ['kwok'])).trim()
  // The simulated behaviour: nodes are ready, pods run, pods of Jobs complete, deleted pods disappear.
  const stages = ['node/fast/node-initialize', 'pod/fast/pod-ready', 'pod/fast/pod-complete', 'pod/fast/pod-delete']
  const told = stages.flatMap((stage) => ['--config', `${program}.config/${stage}.yaml`])
  const selector = '--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake'
  const folder = await mkdtemp(join(tmpdir(), 'bench-kwok-'))
  told.push('--config', await aLog(folder), ...(await server()))
  const kwok = spawn(program, ['--kubeconfig', testKubeconfig(), selector, ...told], { stdio: 'ignore' })
  await kubectl('wait', '--for=condition=Ready', 'node', '-l', label, '--timeout=100s')
  return { count, [Symbol.asyncDispose]: () => remove(kwok, folder) }
}

/** The log of every pod in the format of a node. */
async function aLog(folder: string): Promise<string> {
  const logsFile = join(folder, 'pod.log')
  await writeFile(logsFile, `${new Date().toISOString()} stdout F done\n`)
  const config = join(folder, 'logs.yaml')
  const kind = { apiVersion: 'kwok.x-k8s.io/v1alpha1', kind: 'ClusterLogs', metadata: { name: 'all' } }
  await writeFile(config, JSON.stringify({ ...kind, spec: { logs: [{ logsFile }] } }))
  return config
}

/** The address of the nodes for logs. The API server accepts only a certificate of the cluster. */
async function server(): Promise<string[]> {
  const pki = join(dirname(testKubeconfig()), 'pki')
  const port = await freePort()
  return [
    '--node-ip=127.0.0.1',
    `--node-port=${port}`,
    `--server-address=127.0.0.1:${port}`,
    `--tls-cert-file=${join(pki, 'apiserver.crt')}`,
    `--tls-private-key-file=${join(pki, 'apiserver.key')}`,
  ]
}

async function remove(kwok: ChildProcess, folder: string): Promise<void> {
  await kubectl('delete', 'nodes', '-l', label, '--wait=false')
  kwok.kill('SIGTERM')
  await rm(folder, { recursive: true })
}

/** Submits jobs for the simulated nodes, waits for their ends, and returns the figures. */
export async function measureScale(nodes: SimulatedNodes, pods: number): Promise<ScaleFigures> {
  await using platform = await Platform.make()
  platform.set('SCIENCE_PLATFORM_KUBERNETES_NODE_SELECTOR', JSON.stringify({ bench: 'simulated' }))
  platform.set('SCIENCE_PLATFORM_KUBERNETES_USAGE', 'none')
  platform.set('LOG_LEVEL', 'debug')
  await platform.start()
  // All pages of a listing count once.
  const listings = (): number => platform.log.split('listed the cluster').length - 1
  const before = listings()
  const begun = performance.now()
  const jobs = platform.jobs()
  const perRequest = 1000
  for (let left = pods; left > 0; left -= perRequest)
    await jobs.submit({
      name: 'scale',
      image: testImage,
      cmd: 'true',
      cores: 1,
      memoryGb: 1,
      replicas: Math.min(left, perRequest),
    })
  for (;;) {
    const { jobs: waiting } = await jobs.list({ state: 'held,queued,starting,running,stopping', limit: 1 })
    if (waiting.length === 0) break
    await new Promise((resolve) => setTimeout(resolve, 2000))
  }
  const seconds = (performance.now() - begun) / 1000
  const listed = (listings() - before) / seconds
  let succeeded = 0
  for await (const { state } of jobs.listAll({ state: 'succeeded', limit: 1000 }))
    if (state === 'succeeded') succeeded++
  const cleanedFrom = performance.now()
  while ((await kubectl('get', 'jobs,pods', '-n', platform.namespace, '-o', 'name', '--chunk-size=0')) !== '')
    await new Promise((resolve) => setTimeout(resolve, 2000))
  return {
    nodes: nodes.count,
    pods,
    succeeded,
    seconds,
    cleanUpSeconds: (performance.now() - cleanedFrom) / 1000,
    serverPeakMb: memoryOf(platform.serverPid).peakMb,
    listingsPerTenSeconds: listed * 10,
  }
}
