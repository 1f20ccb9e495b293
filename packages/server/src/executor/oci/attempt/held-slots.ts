import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere } from '../../../lib/files.ts'
import { foldersOf } from './folders.ts'
import { slotOf, stages } from './journal.ts'

/** Network slots of the attempts in a data folder that may still run, by attempt id. */
export async function heldSlots(dataDir: string): Promise<ReadonlyMap<string, number>> {
  const { attempts } = foldersOf(dataDir)
  const slots = new Map<string, number>()
  for (const attemptId of (await ifThere(readdir(attempts))) ?? []) {
    // Stages only go forward: a journal that is renamed between two of these reads is found under a later name.
    for (const stage of stages) {
      const text = await ifThere(readFile(join(attempts, attemptId, stage), 'utf8'))
      if (text === undefined) continue
      const slot = slotOf(text)
      if (slot !== undefined && stage !== 'cleaned') slots.set(attemptId, slot)
      break
    }
  }
  return slots
}
