import { execFile } from 'node:child_process'
import { constants, openSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { promisify } from 'node:util'
import { ifThere } from '../../../lib/files.ts'
import { parseEndEvidence, type EndEvidence } from '../attempt/ending.ts'
import { parseMemoryKills, type ObservedMemoryKills } from '../attempt/journal.ts'

/** A named pipe to which supervisors write what has changed in a journal. */
export interface Hints {
  close(): Promise<void>
}

/** What a supervisor has written to a journal. Without a start or an end the journal must be read. */
export interface Hint {
  readonly attemptId: string
  /** Milliseconds since the epoch. */
  readonly startedAt?: number
  readonly memoryKills?: ObservedMemoryKills
  readonly end?: EndEvidence
}

/**
 * Reads a line of the pipe: `ID`, `ID started MILLISECONDS`, `ID memory-kills FIRST LAST COUNT` or `ID ended EVIDENCE`. The release before
 * writes the id alone. Pure.
 */
export function parseHint(line: string): Hint {
  const [, attemptId = line, stage, fact] = /^(\S+) (started|ended) (.+)$/.exec(line) ?? /^(\S+)/.exec(line) ?? []
  const memoryKills = parseMemoryKills(/^\S+ (.*)$/.exec(line)?.[1])
  if (memoryKills !== undefined) return { attemptId, memoryKills }
  if (stage === 'started' && /^\d+$/.test(fact ?? '')) return { attemptId, startedAt: Number(fact) }
  const end = stage === 'ended' ? parseEndEvidence(fact) : undefined
  return end === undefined ? { attemptId } : { attemptId, end }
}

/**
 * Reads the pipe at `path`, made when it is not there. A pipe costs a supervisor one write; a watched file would have to be made and
 * removed. Lines that are written while no server reads are not kept: they are in the journals.
 */
export async function openHints(path: string, onHint: (hint: Hint) => void): Promise<Hints> {
  if ((await ifThere(stat(path))) === undefined) await promisify(execFile)('mkfifo', ['-m', '600', path])
  // Open for writing too, so that it does not end when the last supervisor closes it.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const socket = new Socket({ fd, readable: true, writable: false }) // which closes it
  socket.unref()
  let rest = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onHint(parseHint(line))
  })
  return {
    close: () =>
      new Promise((resolve) => {
        socket.once('close', () => {
          resolve()
        })
        socket.destroy()
      }),
  }
}
