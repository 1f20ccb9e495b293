import { KubeConfig } from '@kubernetes/client-node'
import { pino } from 'pino'
import { KubernetesApi } from '../api.ts'

export type { V1Job, V1Pod } from '@kubernetes/client-node'

/** The test cluster's kubeconfig, as TEST_KUBECONFIG names it. */
export function testKubeConfig(): KubeConfig {
  const config = new KubeConfig()
  config.loadFromFile(process.env['TEST_KUBECONFIG'] ?? '')
  return config
}

/** The API of the test cluster for its administrator, through the client that the platform has. */
export const adminApi = (): KubernetesApi => new KubernetesApi(testKubeConfig(), { log: pino({ level: 'silent' }) })
