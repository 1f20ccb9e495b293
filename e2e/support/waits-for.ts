import type { Jobs } from '@science-platform/client'
import type { Why } from '@science-platform/contract'
import { eventually } from './eventually.ts'

/** Waits until a job waits for something of this kind (a pattern); returns what is told of it. */
export const waitsFor = (jobs: Jobs, id: string, kind: string): Promise<Why> =>
  eventually(`${id} to wait for ${kind}`, async () => {
    const told = await jobs.why(id)
    return new RegExp(`^(${kind})$`).test(told.reason?.kind ?? '') ? told : undefined
  })
