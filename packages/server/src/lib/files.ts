import { readFile } from 'node:fs/promises'

const hasCode = (error: unknown, codes: readonly string[]): boolean =>
  error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')

/** Whether an operation failed because the file is not there, or is of a process that has just gone. */
export const isMissing = (error: unknown): boolean => hasCode(error, ['ENOENT', 'ESRCH'])

/** Whether an operation failed for want of room. */
export const isDiskFull = (error: unknown): boolean => hasCode(error, ['ENOSPC', 'EDQUOT'])

/** What `wanted` gives, or undefined when it fails because the file is not there. */
export async function ifThere<T>(wanted: Promise<T>): Promise<T | undefined> {
  try {
    return await wanted
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** The text of a file, or undefined when it is not there. */
export const readIfThere = (path: string): Promise<string | undefined> => ifThere(readFile(path, 'utf8'))
