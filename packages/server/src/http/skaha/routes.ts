import type { FastifyInstance } from 'fastify'
import type { Authenticator } from '../../access/authenticate.ts'
import type { Cancel } from '../cancel.ts'
import { guard } from '../guard.ts'
import type { HttpParts } from '../parts.ts'
import type { Submit } from '../submit.ts'
import { refuseUnrouted } from '../unrouted.ts'
import { desktopAppRoutes } from './desktop-apps.ts'
import { dialects } from './dialect.ts'
import { readForms } from './form-body.ts'
import { offerRoutes, vosiRoutes } from './platform.ts'
import { sessionRoutes } from './sessions.ts'
import { sendWireError, WireError } from './wire-error.ts'

/** `/skaha`: the wire that the published clients speak, in both of its versions (docs/wire.md). */
export async function skahaRoutes(
  app: FastifyInstance,
  parts: HttpParts,
  common: {
    readonly authenticator: Authenticator
    readonly submit: Submit
    readonly cancel: Cancel
  },
): Promise<void> {
  readForms(app)
  app.setErrorHandler(sendWireError)
  refuseUnrouted(app, ({ method }, path, allowed) =>
    allowed.length === 0
      ? new WireError(404, `not found: ${path}`)
      : new WireError(405, `unsupported: HTTP ${method}`, { allow: allowed.join(', ') }),
  )
  guard(app, common.authenticator, (caller, setHeader) => {
    setHeader('x-vo-authenticated', caller.account.name)
  })

  // Discovery asks for the base itself, and wants no more than an answer that is no redirect.
  app.get('/', { config: { scope: 'public' }, exposeHeadRoute: true }, (_request, reply) =>
    reply.type('text/plain').send('The session API is at v1/session; capabilities lists the rest.\n'),
  )
  vosiRoutes(app, parts)
  for (const [version, dialect] of Object.entries(dialects)) {
    await app.register(
      async (versioned) => {
        sessionRoutes(versioned, parts, dialect, common)
        desktopAppRoutes(versioned, parts)
        offerRoutes(versioned, parts)
        vosiRoutes(versioned, parts)
      },
      { prefix: `/${version}` },
    )
  }
}
