import type { FastifyInstance } from 'fastify'
import type { Dependencies } from '../server/dependencies.ts'
import { refuseUnrouted } from '../server/unrouted.ts'
import { vosiOperations } from './operations.ts'
import { vosiRoutes } from './platform.ts'
import { capabilitiesDocument, storageCapabilities } from './vosi.ts'
import { sendWireError, unroutedOnWire, WireError } from './wire-error.ts'

/**
 * `/arc`: the self-description of the storage service. The published client accepts a server (`canfar server use`) only
 * when the storage beside it lists VOSpace nodes, and makes no other request to it (wire contract 4.3). This platform has
 * no VOSpace: jobs see the files under /arc, and requests for nodes get an error that says so.
 */
export async function storageRoutes(
  app: FastifyInstance,
  parts: Pick<Dependencies, 'publicUrl' | 'store' | 'log'>,
): Promise<void> {
  app.setErrorHandler(sendWireError)
  refuseUnrouted(app, (request, path, allowed) =>
    path.startsWith('/arc/nodes')
      ? new WireError(404, 'This platform has no VOSpace. Jobs have the files under /arc.')
      : unroutedOnWire(request, path, allowed),
  )
  app.setValidatorCompiler(() => () => true)
  const capabilities = (publicUrl: string): string => capabilitiesDocument(`${publicUrl}/arc`, storageCapabilities)
  vosiRoutes(app, parts, capabilities, vosiOperations())
}
