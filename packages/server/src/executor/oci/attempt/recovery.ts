import { join } from 'node:path'
import type { Logger } from 'pino'
import type { GpuPool } from '../gpu/gpu-pool.ts'
import type { IsolatedNetwork } from '../network/network.ts'
import type { Supervision } from '../supervisor/supervision.ts'
import { findAttempt, removeAttempt, takeBack } from './attempt-folder.ts'
import { Attempt } from './attempt.ts'
import { judge } from './evidence.ts'
import type { Folders } from './folders.ts'
import type { Stage } from './journal.ts'
import { unknownRecord } from './record.ts'

/** What {@link recoverAttempt} works with. */
export interface RecoveryParts {
  readonly folders: Folders
  readonly bootId: string
  readonly supervision: Supervision
  readonly network: IsolatedNetwork | undefined
  readonly gpus: GpuPool
  readonly log: Logger
}

/**
 * Takes over an attempt that an earlier server left, or removes it when its command was never started.
 *
 * @param list called with the attempt that from now on belongs to this server.
 */
export async function recoverAttempt(
  id: string,
  parts: RecoveryParts,
  list: (attempt: Attempt) => void,
): Promise<void> {
  const { folders, bootId, supervision, network, log } = parts
  const found = await findAttempt(join(folders.attempts, id), bootId)
  const judgement = judge(found)
  log.info({ attemptId: id, judgement, stage: found.stage }, 'found an attempt of an earlier server')
  network?.adopt(id)
  if (judgement === 'discard') {
    if (await discard(id, found.stage, parts)) return
    return recoverAttempt(id, parts, list)
  }
  const record = found.record ?? unknownRecord(id)
  parts.gpus.hold(id, record.gpus, record.spec.resources.gpus)
  const attempt = new Attempt(record.spec, record.logLimitBytes)
  attempt.image = record.image
  attempt.processors = record.processors ?? []
  list(attempt)
  if (record.imageDigest !== '') attempt.observed = { ...attempt.observed, imageDigest: record.imageDigest }
  if (judgement === 'watch' && found.identity !== undefined)
    attempt.custody = { type: 'adopted', identity: found.identity }
  await supervision.apply(attempt, found)
  if (judgement === 'clean') supervision.start(attempt, 'clean')
  if (judgement === 'keep') await supervision.settle(attempt)
}

/** Removes an attempt whose command was never started. False when a supervisor that was just starting was faster. */
async function discard(id: string, stage: Stage | undefined, parts: RecoveryParts): Promise<boolean> {
  const { folders, supervision, network } = parts
  if (stage === 'prepared') {
    const { failure } = await supervision.fork('clean', id)
    if (failure !== undefined) throw new Error(`Attempt ${id} could not be cleaned up: ${failure}`)
    const { stage: now } = await findAttempt(join(folders.attempts, id), parts.bootId)
    if (now !== 'cleaned' && !(now === 'prepared' && (await takeBack(folders, id)))) return false
  }
  await network?.release(id)
  await removeAttempt(folders, id)
  return true
}
