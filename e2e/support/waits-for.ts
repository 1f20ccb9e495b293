import assert from 'node:assert/strict'
import type { Jobs } from '@science-platform/client'
import type { Why } from '@science-platform/contract'
import { eventually } from './eventually.ts'

/** Waits until the kind of a job's reason matches a pattern, and returns the explanation. */
export const waitsFor = (jobs: Jobs, id: string, kind: string): Promise<Why> =>
  eventually(`${id} to wait for ${kind}`, async () => {
    const told = await jobs.why(id)
    return new RegExp(`^(${kind})$`).test(told.reason?.kind ?? '') ? told : undefined
  })

/**
 * Waits until the reason text of a placed job matches a pattern, and checks that its events contain exactly one such warning.
 * Returns the reason text.
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
