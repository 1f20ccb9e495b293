import type { Logger } from 'pino'
import type { AuditEntry } from './entry.ts'

/** Refusals that are alike are told once and then counted for this long. */
const countingMs = 60_000

/** Kinds of refusals that are counted apart; more are counted without their address. */
const mostKinds = 1_000

/** Entries that are held while the store takes none. */
const mostHeld = 10_000

/** Stores entries; fulfilled when they are durable. */
export interface AuditSink {
  addAudit(entries: readonly AuditEntry[]): Promise<void>
}

/** Where those who serve requests write what was done. */
export interface AuditTrail {
  /**
   * Writes an entry; fulfilled when it is on the disk. Entries that arrive together share a commit. Never rejects: what the
   * store does not take now is logged, held, and written with the next.
   */
  record(entry: AuditEntry): Promise<void>
  /** Writes a refusal. The same again within a minute is counted, and the count written at its end: a flood is two entries a minute. */
  refused(entry: AuditEntry): void
  /** Why entries could not be written the last time; undefined where they were. */
  fault(): string | undefined
  /** Writes everything that is held. */
  close(): Promise<void>
}

/** The trail over a store. */
export function openAuditTrail(store: AuditSink, log: Logger, now: () => number): AuditTrail {
  let waiting: AuditEntry[] = []
  let writing: Promise<void> | undefined
  let fault: string | undefined
  const counted = new Map<string, AuditEntry>()

  async function write(): Promise<void> {
    // One turn of the event loop: what is answered at the same moment is written together.
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
      // The first is written as it is; the token of those that are counted may differ.
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
