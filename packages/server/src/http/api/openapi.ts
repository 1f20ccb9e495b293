import swagger from '@fastify/swagger'
import type { ApiServer } from './api-server.ts'

/** `/openapi.json`: the OpenAPI 3.1 document, made of the schemas that validate. To be called before the routes. */
export async function openapiRoute(app: ApiServer): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Science platform',
        version: '1',
        description:
          'Jobs: commands in container images, with what they need. Errors are problems (RFC 9457) with a hint; ' +
          'docs/problems.md lists them.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'science-platform token create NAME' },
        },
      },
      security: [{ token: [] }],
    },
    // The schema that validates is whole; the document names it.
    transform: ({ schema, url }) => {
      const { $id } = (schema.body ?? {}) as { $id?: string }
      return { schema: $id === undefined ? schema : { ...schema, body: { $ref: `${$id}#` } }, url }
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, i) => (typeof json.$id === 'string' ? json.$id : `schema-${i}`),
    },
  })
  app.get('/openapi.json', { config: { scope: 'public' }, schema: { hide: true } }, (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(app.swagger(), null, 2)),
  )
}
