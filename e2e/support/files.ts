import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The files below a folder. Files that disappear during the search are left out. */
export async function filesBelow(folder: string, isOfInterest: (path: string) => boolean): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(unlessGone([]))) {
    const path = join(folder, entry.name)
    if (!isOfInterest(path)) continue
    if (entry.isDirectory()) found.push(...(await filesBelow(path, isOfInterest)))
    else if (entry.isFile()) found.push(path)
  }
  return found
}

/** The bytes of a file, each as a character; empty if the file has disappeared. */
export const textOf = (path: string): Promise<string> => readFile(path, 'latin1').catch(unlessGone(''))

const unlessGone =
  <T>(instead: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code !== 'ENOENT') throw error
    return instead
  }
