import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Network } from '@science-platform/contract'
import type { Logger } from 'pino'
import type { Config } from '../configuration/config.ts'
import type { AttemptEvidence } from '../executor/attempt-evidence.ts'
import type { Executor, Ownership } from '../executor/executor.ts'
import { heldSlots } from '../executor/oci/attempt/held-slots.ts'
import { evidenceOfFolders } from '../executor/oci/attempt/folder-evidence.ts'
import { createIsolatedNetwork } from '../executor/oci/network/isolated.ts'
import { whyNoHomes } from '../executor/home.ts'
import { createOciExecutor } from '../executor/oci/oci.ts'
import type { LocalImages } from '../image/store/local-images.ts'
import { offeredNetworks } from '../job/offered-networks.ts'
import { machineCapacity } from '../executor/machine-capacity.ts'

/** The executor, and what the rest of the server needs to know of it. */
export interface Runtime {
  readonly executor: Executor
  /** Networks that a job may request. */
  readonly networks: readonly Network[]
  /** A further address at which jobs reach the server. Undefined where they reach its own address. */
  readonly gateway: string | undefined
  /** What the attempts in the executor's place say of themselves. */
  readonly evidence: () => Promise<AttemptEvidence[]>
  /** What is wrong with the isolated network of jobs, while it is repaired. */
  readonly networkFault: () => string | undefined
  /** A sentence for each limit that this machine cannot enforce. Known once the executor is open. */
  readonly unenforced: () => readonly string[]
}

/** Dependencies of {@link createRuntime}. */
interface RuntimeDependencies {
  readonly config: Config
  readonly dataDir: string
  /** The short name of the data directory. */
  readonly instance: string
  /** The port of the server. */
  readonly port: number
  readonly images: LocalImages
  /** Closes what the runtime opens. */
  readonly parts: AsyncDisposableStack
  readonly ownership: Ownership
  /** Called where another server runs the jobs now: this one must stop. */
  readonly onReplaced: (message: string) => void
  readonly log: Logger
}

/** Creates the runtime of the configured executor. The executor is not open yet. */
export function createRuntime(parts: RuntimeDependencies): Promise<Runtime> {
  return parts.config.executor === 'kubernetes' ? kubernetesRuntime(parts) : ociRuntime(parts)
}

async function ociRuntime({
  config,
  dataDir,
  instance,
  port,
  images,
  parts,
  log,
}: RuntimeDependencies): Promise<Runtime> {
  const isRoot = process.getuid?.() === 0
  const network = isRoot
    ? createIsolatedNetwork({
        instance,
        stateDir: join(dataDir, 'network'),
        heldSlots: () => heldSlots(dataDir),
        apiPort: port,
        log,
      })
    : undefined
  if (network !== undefined) {
    await network.open()
    parts.defer(() => network.close())
  }
  const homes = join(dataDir, 'arc', 'home')
  await mkdir(homes, { recursive: true })
  if (isRoot) await warnOfHomes(homes, log)
  const executor = createOciExecutor({
    dataDir,
    instance,
    capacity: machineCapacity(config.capacity),
    images,
    ...(network === undefined ? {} : { network }),
    logLimitBytes: config.limits.logMb * 2 ** 20,
    pidsLimit: config.limits.processes,
    ...(config.jobs.umask === undefined ? {} : { umask: config.jobs.umask }),
    log,
  })
  return {
    executor,
    networks: offeredNetworks(config.network, isRoot),
    gateway: network?.gateway,
    evidence: () => evidenceOfFolders(dataDir, instance),
    networkFault: () => network?.fault(),
    unenforced: () => executor.limitsThatHold().missing,
  }
}

/** Loaded only when configured, because its HTTP client needs 26 MB of memory. */
async function kubernetesRuntime({
  config,
  dataDir,
  ownership,
  onReplaced,
  log,
}: RuntimeDependencies): Promise<Runtime> {
  const { openKubernetes } = await import('../executor/kubernetes/open.ts')
  const { kubernetes, images, limits } = config
  if (kubernetes.homesFolder !== undefined) await warnOfHomes(kubernetes.homesFolder, log)
  return {
    executor: await openKubernetes({
      ...kubernetes,
      images,
      dataDir,
      logLimitBytes: limits.logMb * 2 ** 20,
      ownership,
      onLeaseLost: onReplaced,
      log,
    }),
    networks: offeredNetworks(config.network, true),
    gateway: undefined,
    evidence: async () => {
      const { kubeconfig, namespace, instance } = kubernetes
      const { openClusterEvidence } = await import('../executor/kubernetes/cluster-evidence.ts')
      const { identity } = ownership
      const at = kubeconfig === undefined ? {} : { kubeconfig }
      const cluster = await openClusterEvidence({ ...at, namespace, instance, identity, log })
      try {
        return await cluster.attempts()
      } finally {
        cluster.close()
      }
    },
    networkFault: () => undefined,
    unenforced: () => [],
  }
}

/** A storage server that lets nobody give folders away would otherwise show it to the first new user only. */
async function warnOfHomes(folder: string, log: Logger): Promise<void> {
  const reason = await whyNoHomes(folder)
  if (reason === undefined) return
  const hint =
    'make the homes of users yourself; on Kubernetes also set storage.makeHomes: false in the values of the chart. ' +
    'Or export the file system with no_root_squash to this server'
  log.warn({ folder, reason, hint }, 'homes of new users cannot be made: their first job fails')
}
