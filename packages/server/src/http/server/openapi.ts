import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'

/**
 * Serves `/openapi.json` of a part of the server: the OpenAPI 3.1 document, generated from the schemas of its routes. Call it
 * before the routes are declared.
 */
export async function openapiRoute(
  app: FastifyInstance,
  about: { readonly title: string; readonly description: string },
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: about.title,
        version: '1',
        description: about.description,
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
    // Validation uses the full schema; the document refers to it by name.
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
