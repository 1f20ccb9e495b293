import type { FastifyInstance } from 'fastify'
import type { Authenticator } from '../../access/authenticate.ts'
import { guard } from '../server/guard.ts'
import { openapiRoute } from '../server/openapi.ts'
import type { Dependencies } from '../server/dependencies.ts'
import type { RateLimits } from '../server/rate-limits.ts'
import { refuseUnrouted } from '../server/unrouted.ts'
import { desktopAppRoutes } from './desktop-apps.ts'
import { dialects } from './dialect.ts'
import { readForms } from './form-body.ts'
import { operationsOf, vosiOperations, wireSchemas } from './operations.ts'
import { offerRoutes, vosiRoutes } from './platform.ts'
import { sessionRoutes } from './sessions.ts'
import { capabilitiesDocument, sessionCapabilities } from './vosi.ts'
import { sendWireError, unroutedOnWire } from './wire-error.ts'
import { plainText } from '../server/plain-text.ts'

/** `/skaha`: both versions of the wire of the published clients (docs/wire.md). */
export async function skahaRoutes(
  app: FastifyInstance,
  parts: Dependencies,
  common: {
    readonly authenticator: Authenticator
    readonly rates: RateLimits
  },
): Promise<void> {
  readForms(app)
  app.setErrorHandler(sendWireError)
  refuseUnrouted(app, unroutedOnWire)
  guard(app, common, (caller, setHeader) => {
    setHeader('x-vo-authenticated', caller.account.name)
  })

  // The handlers validate the parameters. The schemas of the routes serve only the OpenAPI document.
  app.setValidatorCompiler(() => () => true)
  for (const schema of wireSchemas) app.addSchema(schema)
  await openapiRoute(app, {
    title: 'skaha',
    description:
      'The wire of the published CANFAR clients. Parameters are in the address; an error is one line of text. ' +
      'docs/wire.md lists the differences from the reference server.',
  })

  // Discovery by clients requests this address and accepts any answer that is not a redirect.
  app.get('/', { config: { scope: 'public' }, exposeHeadRoute: true, schema: { hide: true } }, (_request, reply) =>
    reply.type(plainText).send('The session API is at v1/session; capabilities lists the rest.\n'),
  )
  const capabilities = (publicUrl: string): string => capabilitiesDocument(`${publicUrl}/skaha`, sessionCapabilities)
  vosiRoutes(app, parts, capabilities, vosiOperations())
  for (const [version, dialect] of Object.entries(dialects)) {
    await app.register(
      async (versioned) => {
        const operations = operationsOf(version, dialect)
        sessionRoutes(versioned, parts, dialect, operations)
        desktopAppRoutes(versioned, parts, operations)
        offerRoutes(versioned, parts, operations)
        vosiRoutes(versioned, parts, capabilities, operations)
      },
      { prefix: `/${version}` },
    )
  }
}
