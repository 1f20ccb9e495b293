import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere } from '../../../lib/files.ts'
import { keepLog, type LogFolders } from '../../log/attempt-log.ts'

/**
 * What this server must know of attempts whose objects may be gone from the cluster. `attempts/ID/made` exists once the Job was
 * created; `opened` has the uid of the one pod that may run. The log is beside them; `logs/ID.log` is that of a removed attempt.
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

  /** The ids of all attempts with a folder. */
  ids(): Promise<readonly string[]> {
    return readdir(this.attempts)
  }

  /** Whether the attempt has run and was removed: only its log exists. It does not run twice. */
  async wasRemoved(attemptId: string): Promise<boolean> {
    return (await ifThere(stat(join(this.logs, `${attemptId}.log`)))) !== undefined
  }

  /** Whether the attempt's Job was created. */
  async wasCreated(attemptId: string): Promise<boolean> {
    return (await ifThere(stat(join(this.of(attemptId), 'made')))) !== undefined
  }

  /** Notes that the attempt's Job was created. @param uid of the Job, for operators. */
  async noteCreated(attemptId: string, uid: string): Promise<void> {
    await this.#create(attemptId)
    await writeFile(join(this.of(attemptId), 'made'), uid, { mode: 0o600 })
  }

  /** Whether a pod of the attempt was ever allowed to run. */
  async hasRun(attemptId: string): Promise<boolean> {
    return ((await ifThere(readFile(this.#opened(attemptId), 'utf8'))) ?? '') !== ''
  }

  /** Grants the attempt's only run to its first pod, for good. True where this pod has it. */
  async grantRun(attemptId: string, podUid: string): Promise<boolean> {
    const path = this.#opened(attemptId)
    const first = await ifThere(readFile(path, 'utf8'))
    // A power failure or an earlier version may have left an empty file. No pod ran by it.
    if (first !== undefined && first !== '') return first === podUid
    // The server that created the Job may have been killed before it created the folder.
    await this.#create(attemptId)
    // The rename is atomic: the file is whole or missing, whenever the server is killed.
    await writeFile(`${path}.new`, podUid, { mode: 0o600, flush: true })
    await rename(`${path}.new`, path)
    return true
  }

  /** Moves the log to where it outlives the attempt, and removes the rest. May be interrupted and repeated. */
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

  async #create(attemptId: string): Promise<void> {
    await mkdir(this.of(attemptId), { recursive: true, mode: 0o700 })
  }
}
