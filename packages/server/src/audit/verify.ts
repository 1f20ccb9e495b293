import { chainHash, trailStart, type StoredAuditEntry } from './entry.ts'

/** What checking a trail found. */
export type Verdict =
  | {
      readonly whole: true
      readonly entries: number
      /** The place and hash of the newest entry: kept elsewhere, they show later that nothing before was changed. */
      readonly head: Pick<StoredAuditEntry, 'seq' | 'hash'>
    }
  | { readonly whole: false; readonly seq: number; readonly fault: string }

/**
 * Whether entries, oldest first, follow on one another unchanged and without gaps. The oldest that there is, where it is
 * not the first there ever was, cannot be checked itself: it is where retention has cut.
 *
 * @param kept a head that was noted earlier; it must be in the trail
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
      return { whole: false, seq, fault: 'it does not follow on the entry before: one of them was changed' }
    if (kept?.seq === seq) {
      if (kept.hash !== hash) return { whole: false, seq, fault: 'its hash is not the one that was noted' }
      found = true
    }
    before = { seq, hash }
    count += 1
  }
  if (!found && kept !== undefined)
    return { whole: false, seq: kept.seq, fault: 'the entry that was noted is not there' }
  return { whole: true, entries: count, head: before }
}
