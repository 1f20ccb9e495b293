import { readdir, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { ifThere } from '../../../lib/files.ts'
import { printReference } from '../../../job/image-reference.ts'
import type { AttemptEvidence } from '../../attempt-evidence.ts'
import { readMachine } from '../container/machine.ts'
import { findAttempt } from './attempt-folder.ts'
import { foldersOf } from './folders.ts'

/** The attempts below a data folder whose command may have run. Reads only. */
export async function evidenceOfFolders(dataDir: string, instance: string): Promise<AttemptEvidence[]> {
  const { attempts } = foldersOf(dataDir)
  const { bootId } = await readMachine(instance)
  const found: AttemptEvidence[] = []
  for (const id of (await ifThere(readdir(attempts))) ?? []) {
    const folder = join(attempts, id)
    const { record, stage } = await findAttempt(folder, bootId)
    if (record === undefined || stage === undefined || stage === 'prepared') continue
    const { account, image, origin, ...spec } = record.spec
    const createdAt = (await ifThere(stat(folder)))?.birthtimeMs ?? Date.now()
    found.push({
      id,
      jobId: spec.jobId,
      name: spec.name,
      owner: account.name,
      image: printReference(image),
      ...(record.imageDigest === '' ? {} : { imageDigest: record.imageDigest }),
      ...(spec.cmd === undefined ? {} : { cmd: spec.cmd }),
      ...(spec.args === undefined ? {} : { args: spec.args }),
      env: spec.env,
      ...(spec.workingDirectory === undefined ? {} : { workingDirectory: spec.workingDirectory }),
      ...(spec.labels === undefined ? {} : { labels: spec.labels }),
      resources: spec.resources,
      ...(spec.network === undefined ? {} : { network: spec.network }),
      graceSeconds: spec.graceSeconds,
      ...(origin === undefined ? {} : { origin, identity: origin.identity }),
      node: hostname(),
      createdAt: Math.floor(createdAt),
      where: folder,
    })
  }
  return found
}
