import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { ProblemError } from '@science-platform/client'

/** Hours that the server remembers an Idempotency-Key. */
const rememberedHours = 24

/**
 * Submits with an Idempotency-Key that stands in a file until `submit` has finished, which includes printing the id. A qsub that was
 * killed, or got no answer, leaves the file: the next qsub with the same request uses its key, and the server answers with the job that
 * it made, if it made one. Two calls that both succeed make two jobs.
 * @param request - everything that makes two submissions alike
 * @param folder - where the files are; without permission to write there, each call has a key of its own
 */
export async function submitOnce<T>(request: string, folder: string, submit: (key: string) => Promise<T>): Promise<T> {
  const record = await takeRecord(createHash('sha256').update(request).digest('hex').slice(0, 32), folder)
  try {
    const result = await submit(record.key)
    await record.remove()
    return result
  } catch (error) {
    // The server refused: it made no job.
    if (error instanceof ProblemError && error.status < 500) await record.remove()
    throw error
  }
}

interface SubmissionRecord {
  readonly key: string
  readonly remove: () => Promise<void>
}

/** A record that a process left which has ended, else a new one. The name has all: HASH.KEY.PID@HOST. */
async function takeRecord(hash: string, folder: string): Promise<SubmissionRecord> {
  const owner = `${process.pid}@${hostname()}`
  const recordOf = (key: string): SubmissionRecord => {
    const path = join(folder, `${hash}.${key}.${owner}`)
    return { key, remove: () => rm(path, { force: true }).catch(() => undefined) }
  }
  const key = randomUUID()
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    for (const left of await leftBehind(hash, folder)) {
      // Only one of several processes can rename the file.
      const taken = await rename(join(folder, left.name), join(folder, `${hash}.${left.key}.${owner}`)).then(
        () => true,
        () => false,
      )
      if (taken) return recordOf(left.key)
    }
    await writeFile(join(folder, `${hash}.${key}.${owner}`), '', { mode: 0o600 })
  } catch {
    // Without the file a repetition is a new submission, which is better than none.
  }
  return recordOf(key)
}

async function leftBehind(hash: string, folder: string): Promise<{ name: string; key: string }[]> {
  const found: { name: string; key: string }[] = []
  for (const name of await readdir(folder)) {
    const [, ofHash, key = '', pid, host] = /^([0-9a-f]{32})\.([0-9a-f-]{36})\.(\d+)@(.+)$/.exec(name) ?? []
    const age =
      Date.now() -
      (await stat(join(folder, name)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ))
    if (age > rememberedHours * 3_600_000) await rm(join(folder, name), { force: true })
    else if (ofHash === hash && host === hostname() && !isAlive(Number(pid))) found.push({ name, key })
  }
  return found
}

/** Whether a process of this machine lives, also one of another user (kill(2)). */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
