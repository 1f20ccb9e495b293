import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'

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

/**
 * Makes a folder and the missing folders above it. Node's own recursive `mkdir` never returns where a file system such as /proc
 * answers ENOENT although the folder above exists (seen with Node 26); this one throws that ENOENT.
 */
export async function makeFolders(path: string, options: { readonly mode?: number } = {}): Promise<void> {
  const make = (): Promise<unknown> =>
    mkdir(path, options).catch((error: unknown) => {
      if (!hasCode(error, ['EEXIST'])) throw error
    })
  try {
    await make()
  } catch (error) {
    const above = dirname(path)
    if (!isMissing(error) || above === path) throw error
    await makeFolders(above, options)
    await make()
  }
}
