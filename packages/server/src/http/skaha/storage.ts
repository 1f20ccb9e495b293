import type { FastifyInstance } from 'fastify'
import type { Dependencies } from '../server/dependencies.ts'
import { refuseUnrouted } from '../server/unrouted.ts'
import { vosiOperations } from './operations.ts'
import { vosiRoutes } from './platform.ts'
import { capabilitiesDocument, storageCapabilities } from './vosi.ts'
import { sendWireError, unroutedOnWire, WireError } from './wire-error.ts'

/**
 * `/arc`: what the storage service of the reference platform tells about itself. The published client takes a server for
 * its own (`canfar server use`) only when the storage beside it names VOSpace nodes, and asks no more of it
 * (wire contract 4.3). There is no VOSpace here: files are under /arc in every job, and whoever asks for nodes is told so.
 */
export async function storageRoutes(
  app: FastifyInstance,
  parts: Pick<Dependencies, 'publicUrl' | 'store' | 'log'>,
): Promise<void> {
  app.setErrorHandler(sendWireError)
  refuseUnrouted(app, (request, path, allowed) =>
    path.startsWith('/arc/nodes')
      ? new WireError(404, 'There is no VOSpace here. Every job has the files of /arc at /arc itself.')
      : unroutedOnWire(request, path, allowed),
  )
  app.setValidatorCompiler(() => () => true)
  const capabilities = (publicUrl: string): string => capabilitiesDocument(`${publicUrl}/arc`, storageCapabilities)
  vosiRoutes(app, parts, capabilities, vosiOperations())
}
