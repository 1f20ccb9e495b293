import type { Logger } from 'pino'
import type { AuditEntry } from './entry.ts'

/** Equal refusals are written once and then counted for this long. */
const countingMs = 60_000

/** Kinds of refusals that are counted separately; beyond that they are counted without their address. */
const mostKinds = 1_000

/** Entries in memory while the store fails. */
const mostHeld = 10_000

/** Stores entries; resolves when they are durable. */
export interface AuditSink {
  addAudit(entries: readonly AuditEntry[]): Promise<void>
}

/** The audit trail of a server. */
export interface AuditTrail {
  /**
   * Writes an entry; resolves when it is on the disk. Entries that arrive together share a commit. Never rejects: after a
   * failure of the store the entry stays in memory and is written with the next one.
   */
  record(entry: AuditEntry): Promise<void>
  /** Writes a refusal. Equal ones within a minute are counted, and the count is written at its end: a flood is two entries a minute. */
  refused(entry: AuditEntry): void
  /** Why the last write failed; undefined where it succeeded. */
  fault(): string | undefined
  /** Writes all entries in memory. */
  close(): Promise<void>
}

/** The trail over a store. */
export function openAuditTrail(store: AuditSink, log: Logger, now: () => number): AuditTrail {
  let waiting: AuditEntry[] = []
  let writing: Promise<void> | undefined
  let fault: string | undefined
  const counted = new Map<string, AuditEntry>()

  async function write(): Promise<void> {
    // One turn of the event loop, so that entries of the same moment share a commit.
    await new Promise((resolve) => setImmediate(resolve))
    const entries = waiting
    waiting = []
    writing = undefined
    if (entries.length === 0) return
    try {
      await store.addAudit(entries)
      fault = undefined
    } catch (error) {
      fault = 'the audit trail cannot be written'
      const lost = Math.max(0, entries.length + waiting.length - mostHeld)
      log.error({ err: error, entries: entries.length, lost }, fault)
      waiting = [...entries.slice(lost), ...waiting]
    }
  }

  const flush = (): Promise<void> => (writing ??= write())

  const record = (entry: AuditEntry): Promise<void> => {
    waiting.push(entry)
    return flush()
  }

  function writeCounts(): void {
    for (const entry of counted.values()) if (entry.count > 0) waiting.push({ ...entry, at: now() })
    counted.clear()
  }

  const timer = setInterval(() => {
    writeCounts()
    void flush()
  }, countingMs)
  timer.unref()

  return {
    record,
    refused: (entry) => {
      const known = counted.size < mostKinds ? entry : withoutOrigin(entry)
      const key = [known.actor, known.via, known.action, known.address, known.status].join(' ')
      const before = counted.get(key)
      // The first is written unchanged. Counted ones may have other tokens, so the count has none.
      counted.set(key, { ...withoutToken(before ?? known), count: before === undefined ? 0 : before.count + 1 })
      if (before === undefined) void record(entry)
    },
    fault: () => fault,
    close: async () => {
      clearInterval(timer)
      writeCounts()
      await flush()
    },
  }
}

const withoutToken = ({ tokenPrefix: _, ...entry }: AuditEntry): AuditEntry => entry
const withoutOrigin = ({ address: _, ...entry }: AuditEntry): AuditEntry => entry
