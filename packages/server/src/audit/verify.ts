import { chainHash, trailStart, type StoredAuditEntry } from './entry.ts'

/** The result of verifying a trail. */
export type Verdict =
  | {
      readonly whole: true
      readonly entries: number
      /** The newest entry: stored elsewhere, it proves later that no earlier entry was changed. */
      readonly head: Pick<StoredAuditEntry, 'seq' | 'hash'>
    }
  | { readonly whole: false; readonly seq: number; readonly fault: string }

/**
 * Verifies that entries, oldest first, are unchanged and without gaps. Where retention has deleted the beginning, the oldest
 * entry cannot be verified itself.
 *
 * @param kept the head of an earlier verification, which must be in the trail
 */
export async function verifyTrail(
  entries: AsyncIterable<StoredAuditEntry>,
  kept?: Pick<StoredAuditEntry, 'seq' | 'hash'>,
): Promise<Verdict> {
  let before: Pick<StoredAuditEntry, 'seq' | 'hash'> = trailStart
  let count = 0
  let found = kept === undefined
  for await (const entry of entries) {
    const { seq, hash } = entry
    const isCut = count === 0 && seq > 1
    if (!isCut && seq !== before.seq + 1)
      return { whole: false, seq, fault: `the entries from ${before.seq + 1} to ${seq - 1} are missing` }
    if (!isCut && hash !== chainHash(before.hash, seq, entry))
      return { whole: false, seq, fault: 'its hash does not match the entry before: one of the two was changed' }
    if (kept?.seq === seq) {
      if (kept.hash !== hash) return { whole: false, seq, fault: 'its hash differs from the expected one' }
      found = true
    }
    before = { seq, hash }
    count += 1
  }
  if (!found && kept !== undefined) return { whole: false, seq: kept.seq, fault: 'the expected entry is missing' }
  return { whole: true, entries: count, head: before }
}
