import { readFile } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { ProblemError } from '@science-platform/client'
import { CommandFailure, usageFailure } from '../../failure.ts'
import { show, type Invocation } from '../../invocation.ts'
import { platformFor } from '../../platform.ts'
import { interruptedWith, printIds, restartSeconds, submitted, waitFor } from '../../run/created-jobs.ts'
import { unknownHere } from '../../run/earlier-server.ts'
import { takeInterrupts } from '../../run/interruption.ts'
import { requestsOf } from '../../run/request-file.ts'
import type { CreateOptions } from './create.ts'

/** Options that may stand beside `--file`, which has everything else. */
const besides: ReadonlySet<string> = new Set(['file', 'quiet', 'wait', 'dryRun', 'idempotencyKey'])

/** `canfar create --file`: submits the requests of a file, all or none. `-` is stdin. */
export async function createFromFile(
  path: string,
  options: CreateOptions,
  words: readonly string[],
  invocation: Invocation,
): Promise<void> {
  const other = Object.keys(options).find((key) => !besides.has(key))
  if (other !== undefined || words.length > 0) {
    const what =
      other === undefined ? `'${words[0]}'` : `--${other.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    throw usageFailure(`${what} stands beside --file, which describes the jobs`, 'leave one of them out')
  }
  const requests = requestsOf(await textOf(path), path)
  if (options.dryRun === true)
    return show(invocation, requests, (all) => `${JSON.stringify(all, null, 2)}\nNothing was submitted.`)
  const platform = await platformFor(invocation, true)
  const jobs = await platform.jobs(restartSeconds)
  if (jobs === undefined) throw unknownHere('--file')
  const interruption = takeInterrupts()
  try {
    const ids = await submitted(options.idempotencyKey, interruption, (idempotencyKey) =>
      jobs.submitBatch(requests, { idempotencyKey }).catch((error: unknown) => {
        // A server of an earlier version takes "batch" for the id of a job.
        const isEarlier = error instanceof ProblemError && (error.status === 404 || error.status === 405)
        throw isEarlier ? unknownHere('--file', error) : error
      }),
    )
    await printIds(ids, ids.length === 1 ? `1 job (ID: ${ids[0]})` : `${ids.length} jobs:`, options, invocation)
    if (interruption.signal.aborted) throw interruptedWith(ids)
    if (options.wait === true) await waitFor(platform, ids, path, options, interruption, invocation)
  } finally {
    interruption.release()
  }
}

async function textOf(path: string): Promise<string> {
  try {
    const bytes = path === '-' ? await buffer(process.stdin) : await readFile(path)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) throw usageFailure(`--file: ${path} is not UTF-8`, 'write it as UTF-8', error)
    throw new CommandFailure(
      'failure',
      'command.failed',
      `--file: ${(error as Error).message}`,
      'name a file that you can read, or - for stdin',
      error,
    )
  }
}
