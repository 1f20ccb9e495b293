import type { ImageRecord } from '@science-platform/contract'
import type { FastifyInstance } from 'fastify'
import { callerOf } from '../server/guard.ts'
import { visibleImages } from '../views/visible-images.ts'
import type { Dependencies } from '../server/dependencies.ts'
import type { Operations, vosiOperations } from './operations.ts'
import { sessionKinds } from './session-request.ts'
import { parametersOf, sendJson } from './sessions.ts'
import { availabilityDocument } from './vosi.ts'
import { WireError } from './wire-error.ts'

/** `/image`, `/context` and `/repository`: images, sizes and registries on offer. */
export function offerRoutes(
  app: FastifyInstance,
  parts: Pick<Dependencies, 'images' | 'catalogue' | 'pulls' | 'store' | 'context' | 'config'>,
  operations: Operations,
): void {
  app.get('/image', { config: { scope: 'read' }, schema: operations.listImages }, async (request, reply) => {
    const type = parametersOf(request).text('type')?.toLowerCase()
    if (type !== undefined && !sessionKinds.includes(type)) throw new WireError(400, `unknown type: ${type}`)
    const images = await visibleImages(callerOf(request), parts)
    return sendJson(
      reply,
      images
        .filter(({ types }) => type === undefined || types.includes(type))
        .map(({ reference, types, digest }): ImageRecord => ({ id: reference, types: [...types], digest })),
    )
  })

  app.get('/context', { config: { scope: 'read' }, schema: operations.getContext }, (_request, reply) =>
    sendJson(reply, parts.context()),
  )

  app.get('/repository', { config: { scope: 'read' }, schema: operations.listRepositories }, (_request, reply) => {
    const { registries } = parts.config.images
    return sendJson(reply, registries.length === 0 ? ['localhost'] : registries)
  })
}

/** `/capabilities` and `/availability`: public, because clients read them before they have a token. */
export function vosiRoutes(
  app: FastifyInstance,
  parts: Pick<Dependencies, 'publicUrl'>,
  capabilities: (publicUrl: string) => string,
  operations: ReturnType<typeof vosiOperations>,
): void {
  const open = { config: { scope: 'public' }, exposeHeadRoute: true } as const

  app.get('/capabilities', { ...open, schema: operations.getCapabilities }, (_request, reply) =>
    reply.type('text/xml').send(capabilities(parts.publicUrl())),
  )

  app.get('/availability', { ...open, schema: operations.getAvailability }, async (request, reply) => {
    const faults = await app.findFaults()
    const fault = faults.length === 0 ? undefined : faults.join('; ')
    reply.type('text/xml')
    if (parametersOf(request).first('detail') === 'min') return reply.code(fault === undefined ? 200 : 503).send('')
    return reply.send(availabilityDocument(fault))
  })
}
