import type { Server } from 'node:http'
import type { Address } from '../configuration/config.ts'

/**
 * Listens on an address. Returns a function that stops and ends all connections.
 * @throws where the address cannot be used.
 */
export async function listen(server: Server, { host, port }: Address): Promise<() => Promise<void>> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return () =>
    new Promise((resolve) => {
      server.close(() => {
        resolve()
      })
      server.closeAllConnections()
    })
}
