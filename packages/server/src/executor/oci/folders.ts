import { join } from 'node:path'

/**
 * Where the executor keeps things below the data folder.
 *
 *     attempts/ID/        one attempt, until it is forgotten
 *       attempt.json      its specification, without credentials
 *       prepared          the supervisor's plan; its name is the stage: prepared, launched, started, cleaned
 *       config.json       the OCI bundle's configuration; rootfs/, upper/, work/ are the overlay
 *       supervisor        pid, start time and boot id of the supervisor
 *       stop              the grace period, once it was told to end
 *       errors            what the supervisor wrote to stderr, normally nothing
 *       log, log.OFFSET   the output (log-view.ts)
 *       ended.json        what is known of the end (ending.ts)
 *     logs/ID.log         the log of an attempt that was forgotten
 *     spool/ID            made when the command starts, removed when it has ended: a hint for whoever watches
 *     scratch/ID/         /scratch of the attempt
 *     arc/home, arc/projects
 */
export interface Folders {
  readonly attempts: string
  readonly logs: string
  readonly spool: string
  readonly scratch: string
  readonly homes: string
  readonly projects: string
}

/** The folders below a data folder. */
export const foldersOf = (dataDir: string): Folders => ({
  attempts: join(dataDir, 'attempts'),
  logs: join(dataDir, 'logs'),
  spool: join(dataDir, 'spool'),
  scratch: join(dataDir, 'scratch'),
  homes: join(dataDir, 'arc', 'home'),
  projects: join(dataDir, 'arc', 'projects'),
})

/** The stages of an attempt: the names that its plan has one after another. */
export const stages = ['prepared', 'launched', 'started', 'cleaned'] as const
export type Stage = (typeof stages)[number]
