import { createHash } from 'node:crypto'
import { createServer } from 'node:net'

/** A short name for the platform of one data directory, for its control groups and interfaces. Pure. */
export const instanceName = (dataDir: string): string => createHash('sha256').update(dataDir).digest('hex').slice(0, 8)

/**
 * Makes sure that one server alone works on a data directory: holds a socket in Linux's abstract namespace, which the
 * kernel gives up with the process, however that ends. Returns how to let go.
 * @throws where another server has it.
 */
export async function claimDataDir(dataDir: string): Promise<() => Promise<void>> {
  const claim = createServer((socket) => socket.end())
  await new Promise<void>((resolve, reject) => {
    claim.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`Another server works on ${dataDir}. Stop it first, or give this one another --data.`)
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
