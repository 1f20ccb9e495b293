import { join } from 'node:path'
import type { Account } from '../../account.ts'

/**
 * Files of the executor below the data folder.
 *
 *     attempts/ID/        one attempt, until it is forgotten
 *       prepared          the journal (journal.ts); its name is the stage: prepared, launched, started, ended, cleaned
 *       config.json       the OCI bundle's configuration; hosts is the container's /etc/hosts
 *       upper/, work/     what the container writes over its image; ID/ holds the runtime's state, tmp/ is its /tmp
 *       stop              the grace period, once the attempt was stopped
 *       errors            why the supervisor failed
 *       log, log.OFFSET   the output (log-format.ts)
 *     logs/ID.log         the log of a forgotten attempt
 *     names/HASH          files for /etc of containers, by content: attempts share them (shared-files.ts)
 *     rootfs/             empty; every supervisor mounts its container's root there, in a mount namespace of its own
 *     hints               a named pipe to which supervisors write what has changed in a journal (hints.ts)
 *     supervisors.log     unexpected messages of supervisors
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

/** The home of an account, or a symbolic link of the operator's in its place. */
export const homeFolderOf = ({ homes }: Pick<Folders, 'homes'>, { name }: Pick<Account, 'name'>): string =>
  join(homes, name)

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
