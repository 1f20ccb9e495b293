import { createHash } from 'node:crypto'
import { createServer } from 'node:net'

/** A short name for the server of a data directory, for its control groups and network interfaces. Pure. */
export const instanceName = (dataDir: string): string => createHash('sha256').update(dataDir).digest('hex').slice(0, 8)

/**
 * Claims a data directory for one server: binds a socket in Linux's abstract namespace, which the kernel releases when the
 * process ends in any way. Returns a function that releases it.
 * @throws when another server has claimed the directory.
 */
export async function claimDataDir(dataDir: string): Promise<() => Promise<void>> {
  const claim = createServer((socket) => socket.end())
  await new Promise<void>((resolve, reject) => {
    claim.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`Another server uses ${dataDir}. Stop it first, or use another --data.`)
          : error,
      )
    })
    claim.listen(`\0science-platform-${createHash('sha256').update(dataDir).digest('hex')}`, resolve)
  })
  claim.unref()
  return () =>
    new Promise((resolve) =>
      claim.close(() => {
        resolve()
      }),
    )
}
