import { join } from 'node:path'

/**
 * Where the executor keeps things below the data folder.
 *
 *     attempts/ID/        one attempt, until it is forgotten
 *       prepared          the journal (journal.ts); its name is the stage: prepared, launched, started, ended, cleaned
 *       config.json       the OCI bundle's configuration
 *       upper/, work/     what the container writes over its image; ID/ is what the runtime keeps of it, tmp/ its /tmp
 *       stop              the grace period, once it was told to end
 *       errors            why the supervisor failed, if it did
 *       log, log.OFFSET   the output (log-format.ts)
 *     logs/ID.log         the log of an attempt that was forgotten
 *     names/HASH          files for /etc of containers, by content: many attempts share them
 *     rootfs/             empty; every supervisor mounts its container's root there, in a mount namespace of its own
 *     hints               a named pipe in which supervisors tell whose stage has changed
 *     supervisors.log     what supervisors say that should not be
 *     scratch/ID/         /scratch of the attempt
 *     arc/home, arc/projects
 */
export interface Folders {
  readonly attempts: string
  readonly logs: string
  readonly names: string
  readonly rootfs: string
  readonly hints: string
  readonly supervisorsLog: string
  readonly scratch: string
  readonly homes: string
  readonly projects: string
}

/** The folders below a data folder. */
export const foldersOf = (dataDir: string): Folders => ({
  attempts: join(dataDir, 'attempts'),
  logs: join(dataDir, 'logs'),
  names: join(dataDir, 'names'),
  rootfs: join(dataDir, 'rootfs'),
  hints: join(dataDir, 'hints'),
  supervisorsLog: join(dataDir, 'supervisors.log'),
  scratch: join(dataDir, 'scratch'),
  homes: join(dataDir, 'arc', 'home'),
  projects: join(dataDir, 'arc', 'projects'),
})
