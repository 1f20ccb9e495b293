import { constants } from 'node:fs'
import { lstat, open, readlink } from 'node:fs/promises'
import { join } from 'node:path'

/** Links in a path that are followed; the kernel's own limit (path_resolution(7)). */
const linkLimit = 40

/**
 * Reads a small text file of an unpacked root file system as a process with that root would see it: links never lead out of
 * the root. Undefined where there is no regular file. No other process may write to the root meanwhile.
 *
 * @throws Error when the file is larger than `sizeLimit` bytes, default 1 MiB.
 */
export async function readInsideRoot(root: string, path: string, sizeLimit = 1_048_576): Promise<string | undefined> {
  let todo = path.split('/')
  let done: string[] = []
  for (let links = 0; todo.length > 0;) {
    const [part = '', ...rest] = todo
    todo = rest
    if (part === '' || part === '.') continue
    if (part === '..') {
      done = done.slice(0, -1)
      continue
    }
    const here = join(root, ...done, part)
    const stats = await lstat(here).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      throw error
    })
    if (stats === undefined) return undefined
    if (stats.isSymbolicLink()) {
      if (++links > linkLimit) return undefined
      const target = await readlink(here)
      if (target.startsWith('/')) done = []
      todo = [...target.split('/'), ...rest]
      continue
    }
    done = [...done, part]
    if (stats.isDirectory()) continue
    if (!stats.isFile() || todo.some((more) => more !== '')) return undefined
    if (stats.size > sizeLimit) throw new Error(`its ${path} has ${stats.size} bytes, at most ${sizeLimit} are read`)
    const file = await open(here, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  }
  return undefined
}
