import assert from 'node:assert/strict'
import type { Jobs } from '@science-platform/client'
import type { Why } from '@science-platform/contract'
import { eventually } from './eventually.ts'

/** Waits until a job waits for something of this kind (a pattern); returns what is told of it. */
export const waitsFor = (jobs: Jobs, id: string, kind: string): Promise<Why> =>
  eventually(`${id} to wait for ${kind}`, async () => {
    const told = await jobs.why(id)
    return new RegExp(`^(${kind})$`).test(told.reason?.kind ?? '') ? told : undefined
  })

/**
 * Waits until a job that was started waits for something of the cluster that is told like this: why it waits, and, since it
 * waits for more than a moment, one warning among its events. Returns why.
 */
export async function isToldToWait(jobs: Jobs, id: string, words: RegExp): Promise<string> {
  const why = await eventually(`${id} to wait for ${words.source}`, async () => {
    const { summary } = await jobs.why(id)
    return words.test(summary) && summary
  })
  const warnings = async () =>
    (await jobs.events(id)).filter(
      ({ type, reason, message }) => type === 'Warning' && reason === 'Waiting' && words.test(message),
    )
  const told = await eventually(`a warning of ${words.source} among the events of ${id}`, async () => {
    const found = await warnings()
    return found.length > 0 && found
  })
  assert.equal(told.length, 1, JSON.stringify(told))
  return why
}
