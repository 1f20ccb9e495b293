import type { Account } from './account.ts'

/** A file below /arc as its user sees it in a job. */
export interface SeenFile {
  readonly path: string
  /** `closed-folder`: the user may not enter it. `broken-link`: a link that leads to nothing the user can see. */
  readonly type: 'file' | 'folder' | 'closed-folder' | 'broken-link' | 'other'
  readonly sizeBytes: number
  /** Milliseconds since the epoch, in whole seconds. */
  readonly modifiedAt: number
}

/** A path at which the user sees nothing. */
export interface UnseenFile {
  readonly path: string
  readonly type: 'unseen'
  /** The name of the error (errno(3)), such as ENOENT or EACCES. */
  readonly error: string
}

/** What a look has found. */
export interface LookAnswer {
  /** Sorted by folder and name, in the order of their bytes; files of a folder come before those of folders in it. */
  readonly files: readonly SeenFile[]
  /** Why there may be more; absent where there is no more. */
  readonly cut?: 'count' | 'time'
  /** Folders that the user may not read. */
  readonly unreadable: number
  /** Files whose names are not UTF-8; they are left out. */
  readonly unnamed: number
}

/** Limits of a look. */
export interface LookLimits {
  /** Most files that are found, up to 10,000. @defaultValue 1000 */
  readonly most?: number
  /** Seconds, waiting for a turn included, up to 30. @defaultValue 30 */
  readonly seconds?: number
  /** Ends the look. */
  readonly signal?: AbortSignal
}

/** The limits of {@link LookLimits}. */
export const lookLimits = { files: 10_000, seconds: 30 } as const

/**
 * Looks into /arc with the rights of a user, and with the view that a job of the user has of it. Every method throws {@link LookBusy},
 * {@link LookFailed}, or the reason of the signal.
 */
export interface ArcLook {
  /** The files that match a pattern. @throws {InvalidRequest} where it is no pattern for paths below /arc */
  glob(account: Account, pattern: string, limits?: LookLimits): Promise<LookAnswer>
  /** The files in a folder, hidden ones too. */
  list(account: Account, folder: string, limits?: LookLimits): Promise<LookAnswer>
  /** What is at each path, in their order. Links are followed. */
  stat(account: Account, paths: readonly string[], limits?: LookLimits): Promise<readonly (SeenFile | UnseenFile)[]>
}

/** Other looks, of this user or of all, take too long. */
export class LookBusy extends Error {
  override readonly name = 'LookBusy'
}

/** A look that gave no answer: its process failed or was ended. */
export class LookFailed extends Error {
  override readonly name = 'LookFailed'
}
