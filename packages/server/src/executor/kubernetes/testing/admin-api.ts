import { pino } from 'pino'
import { KubernetesApi } from '../api/api-client.ts'
import { identitySource } from '../credentials/kubeconfig.ts'

export type { V1Job, V1Pod } from '@kubernetes/client-node'

/** The API of the test cluster (TEST_KUBECONFIG) for its administrator, through the client that the platform has. */
export const adminApi = async (): Promise<KubernetesApi> =>
  new KubernetesApi(await identitySource(process.env['TEST_KUBECONFIG'] ?? ''), { log: pino({ level: 'silent' }) })
