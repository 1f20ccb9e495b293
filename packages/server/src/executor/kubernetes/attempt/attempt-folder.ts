import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere } from '../../../lib/files.ts'
import { keepLog, type LogFolders } from '../../log/attempt-log.ts'

/**
 * What this server must know of attempts that the cluster may forget: `attempts/ID/made` is there once the Job was made, `opened`
 * holds the uid of the one pod that may run. The log is there too; `logs/ID.log` holds that of an attempt that was forgotten.
 */
export class AttemptFolders implements LogFolders {
  readonly attempts: string
  readonly logs: string

  constructor(dataDir: string) {
    this.attempts = join(dataDir, 'attempts')
    this.logs = join(dataDir, 'logs')
  }

  async open(): Promise<void> {
    for (const folder of [this.attempts, this.logs]) await mkdir(folder, { recursive: true, mode: 0o700 })
  }

  of(attemptId: string): string {
    return join(this.attempts, attemptId)
  }

  /** The ids of all attempts of which there is more than the log. */
  ids(): Promise<readonly string[]> {
    return readdir(this.attempts)
  }

  /** Whether only its log is there: it has run, and does not run twice. */
  async wasForgotten(attemptId: string): Promise<boolean> {
    return (await ifThere(stat(join(this.logs, `${attemptId}.log`)))) !== undefined
  }

  async wasMade(attemptId: string): Promise<boolean> {
    return (await ifThere(stat(join(this.of(attemptId), 'made')))) !== undefined
  }

  /** @param uid the Job's, for those who look. */
  async noteMade(attemptId: string, uid: string): Promise<void> {
    await this.#make(attemptId)
    await writeFile(join(this.of(attemptId), 'made'), uid, { mode: 0o600 })
  }

  /** Whether a pod of it was ever let go. */
  async hasRun(attemptId: string): Promise<boolean> {
    return ((await ifThere(readFile(this.#opened(attemptId), 'utf8'))) ?? '') !== ''
  }

  /** Gives the one run that an attempt has to the first pod that asks for it, for good. Whether this is the one. */
  async grantRun(attemptId: string, podUid: string): Promise<boolean> {
    const path = this.#opened(attemptId)
    const first = await ifThere(readFile(path, 'utf8'))
    // An empty file is one that a power failure or an earlier version left: nobody was let go by it.
    if (first !== undefined && first !== '') return first === podUid
    // The server that made the Job may have been killed before it made the folder.
    await this.#make(attemptId)
    // Whole or not there at all, whenever the server is killed.
    await writeFile(`${path}.new`, podUid, { mode: 0o600, flush: true })
    await rename(`${path}.new`, path)
    return true
  }

  /** Puts the log where it outlives the attempt, and removes the rest. May be interrupted and done again. */
  async keepOnlyLog(attemptId: string): Promise<void> {
    await keepLog(this, attemptId)
    await this.remove(attemptId)
  }

  async remove(attemptId: string): Promise<void> {
    await rm(this.of(attemptId), { recursive: true, force: true })
  }

  #opened(attemptId: string): string {
    return join(this.of(attemptId), 'opened')
  }

  async #make(attemptId: string): Promise<void> {
    await mkdir(this.of(attemptId), { recursive: true, mode: 0o700 })
  }
}
