import assert from 'node:assert/strict'
import { pino } from 'pino'
import { requireReference } from '../../../job/image-reference.ts'
import type { AttemptSpec } from '../../executor.ts'
import type { KubernetesOptions } from '../settings.ts'
import type { SimulatedApiServer } from './simulated-api-server.ts'
import { ownAll } from './test-cluster.ts'

/** An attempt with one core and nothing of its own. The id of its job stands before the hyphen. */
export const smallSpec = (id: string): AttemptSpec => ({
  id,
  jobId: id.replace(/-.*/, ''),
  name: 'test',
  account: { name: 'ada', uid: 52_001, gid: 52_001, groups: [] },
  image: requireReference('registry.example/test:1'),
  env: {},
  resources: { cores: { request: 1, limit: 1 }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true },
  graceSeconds: 30,
})

/** An executor on a simulated API server, whose database has a record of every attempt. */
export const optionsOn = (server: SimulatedApiServer, dataDir: string): KubernetesOptions => ({
  identity: server.identity,
  namespace: 'jobs',
  instance: 'test',
  dataDir,
  volumes: {},
  scratchGb: { request: 0, limit: 1 },
  imagePullPolicy: 'Always',
  imageSeconds: 600,
  dnsPolicy: 'Default',
  nodeSelector: {},
  tolerations: [],
  overcommit: 1,
  gpuResource: 'nvidia.com/gpu',
  lossSeconds: 300,
  images: { registries: ['registry.example'], aliases: {}, insecure: [] },
  ownership: ownAll,
  onLeaseLost: assert.fail,
  usage: 'none',
  log: pino({ level: 'silent' }),
})
