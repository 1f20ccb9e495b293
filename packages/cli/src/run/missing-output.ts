import type { OutputGap } from '@science-platform/client'
import { troubleshooting } from '@science-platform/contract/troubleshooting'
import { exitCodes } from '../exit-codes.ts'
import { note } from '../output/terminal.ts'

/** What a user can do about output that is too much for a log. */
const hint = "write large output to a file below /arc: sh -c 'tar c . > $HOME/out.tar'"

/** Counts the bytes that are missing in the output of jobs, and says so on stderr: stdout has what the jobs wrote alone. */
export class MissingOutput {
  readonly #bytes = new Map<string, number>()

  /** Notes missing bytes of a job. The first time a line says so at once, so that it stands beside what comes before. */
  readonly add = (id: string, { bytes }: OutputGap): void => {
    const before = this.#bytes.get(id)
    if (before === undefined) note(`canfar: bytes of the output of ${id} are missing here`)
    this.#bytes.set(id, (before ?? 0) + bytes)
  }

  /** Says how many bytes are missing, and sets the exit code where the command was to succeed. */
  report(): void {
    if (this.#bytes.size === 0) return
    for (const [id, bytes] of this.#bytes) note(missingText(id, bytes))
    note(`fix: ${hint}\nsee: ${troubleshooting('incomplete-log')}`)
    process.exitCode =
      process.exitCode === undefined || process.exitCode === 0 ? exitCodes.incomplete.code : process.exitCode
  }
}

const missingText = (id: string, bytes: number): string => `canfar: ${bytes} bytes of the output of ${id} are missing`
