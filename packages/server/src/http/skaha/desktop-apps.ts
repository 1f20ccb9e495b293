import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Dependencies } from '../server/dependencies.ts'
import { callerOf } from '../server/guard.ts'
import { findJob } from '../views/find-job.ts'
import { pathOf } from '../server/route-table.ts'
import { checkLabel } from './label.ts'
import type { Operations } from './operations.ts'
import { sendJson } from './sessions.ts'
import { noSession, WireError } from './wire-error.ts'

type App = FastifyRequest<{ Params: { id: string; app: string; appId: string } }>

/**
 * `/session/ID/app`: applications within a desktop session. Headless sessions have none. The addresses answer as on the
 * reference server (wire contract 1.1 and 6), which accepts any word in place of `app`.
 */
export function desktopAppRoutes(
  app: FastifyInstance,
  { store }: Pick<Dependencies, 'store'>,
  operations: Operations,
): void {
  const read = { config: { scope: 'read' } } as const
  const manage = { config: { scope: 'manage' } } as const

  app.get('/session/:id/:app', { ...read, schema: operations.listApps }, async (request: App, reply) => {
    checkLabel(request.params.id)
    if ((await findJob(store, callerOf(request), request.params.id)) === undefined) throw noSession(request.params.id)
    return sendJson(reply, [])
  })
  app.post('/session/:id/:app', { config: { scope: 'submit' }, schema: operations.createApp }, () => {
    throw new WireError(
      400,
      'Invalid session type: desktop-app. This platform runs headless sessions, which have no applications.',
    )
  })
  app.delete('/session/:id/:app', { ...manage, schema: operations.deleteApps }, () => {
    throw new WireError(400, 'Missing app ID')
  })

  const noApp = (request: App): never => {
    const { id, appId } = request.params
    checkLabel(id)
    throw new WireError(404, `desktop app with session ${id} and app ID ${appId} was not found`)
  }
  app.get('/session/:id/:app/:appId', { ...read, schema: operations.getApp }, noApp)
  app.delete('/session/:id/:app/:appId', { ...manage, schema: operations.deleteApp }, noApp)
  app.post('/session/:id/:app/:appId', { ...manage, schema: operations.modifyApp }, () => {
    throw new WireError(400, 'Cannot modify an existing app.')
  })

  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: '/session/:id/:app/:appId/*',
    config: { ...read.config, action: 'askApp' },
    schema: { hide: true },
    handler: (request) => {
      throw new WireError(400, `Invalid request: ${pathOf(request.url)}`)
    },
  })
}
