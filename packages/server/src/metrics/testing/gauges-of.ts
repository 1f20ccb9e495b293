import type { Store } from '../../store/store.ts'
import type { GaugeSources } from '../metrics.ts'

/** The gauges of a server that has a store and nothing else to watch. */
export const gaugesOf = (store: Pick<Store, 'jobsByState' | 'estimateScores'>): GaugeSources => ({
  jobsByState: () => store.jobsByState(),
  auditFault: () => false,
  estimateScores: () => store.estimateScores(0),
  registries: () => [],
  imageBytes: async () => 0,
  unrecordedAttempts: () => 0,
})
