import { readFile } from 'node:fs/promises'

const hasCode = (error: unknown, codes: readonly string[]): boolean =>
  error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')

/** Whether an operation failed because the file does not exist, or its process has just exited. */
export const isMissing = (error: unknown): boolean => hasCode(error, ['ENOENT', 'ESRCH'])

/** Whether an operation failed because the disk or the quota is full. */
export const isDiskFull = (error: unknown): boolean => hasCode(error, ['ENOSPC', 'EDQUOT'])

/** The result of `wanted`, or undefined where it fails because the file does not exist. */
export async function ifThere<T>(wanted: Promise<T>): Promise<T | undefined> {
  try {
    return await wanted
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** The text of a file, or undefined where it does not exist. */
export const readIfThere = (path: string): Promise<string | undefined> => ifThere(readFile(path, 'utf8'))
