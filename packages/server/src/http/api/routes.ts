import { isUtf8 } from 'node:buffer'
import { ProblemBody } from '@science-platform/contract'
import type { FastifyInstance } from 'fastify'
import type { Authenticator } from '../../access/authenticate.ts'
import { guard } from '../server/guard.ts'
import { openapiRoute } from '../server/openapi.ts'
import type { Dependencies } from '../server/dependencies.ts'
import type { RateLimits } from '../server/rate-limits.ts'
import { Problem } from '../server/problem.ts'
import { refuseUnrouted, unrouted } from '../server/unrouted.ts'
import { compileSchema, type TypeBoxProvider } from '../server/validation.ts'
import { accountRoutes } from './account-routes.ts'
import { changeRoutes } from './changes.ts'
import { auditRoutes } from './audit.ts'
import { fileRoutes } from './files.ts'
import { imageRoutes } from './images.ts'
import { jobRoutes } from './jobs.ts'
import { jobSetRoutes } from './job-sets.ts'
import { limitRoutes } from './limits.ts'
import { logRoutes } from './logs.ts'
import { groupRoutes } from './groups.ts'
import { projectRoutes } from './projects.ts'
import { registryRoutes } from './registries.ts'
import { queueRoutes } from './queue.ts'
import { sendProblem } from './send-problem.ts'
import { tokenRoutes } from './tokens.ts'
import { userRoutes } from './users.ts'

/** `/api/v1`: the platform's own API. Bodies are strict, errors are problems, and the OpenAPI document comes from the schemas. */
export async function apiRoutes(
  server: FastifyInstance,
  parts: Dependencies,
  common: {
    readonly authenticator: Authenticator
    readonly rates: RateLimits
  },
): Promise<void> {
  const app = server.withTypeProvider<TypeBoxProvider>()
  app.setValidatorCompiler(compileSchema)
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    // Some clients send a Content-Type without a body. The schema decides whether a body is required.
    if (body.length === 0) done(null, undefined)
    // Decoding would silently replace every byte that is not UTF-8 by U+FFFD.
    else if (!isUtf8(body)) done(notUtf8())
    else void parseJson(request, body.toString(), done)
  })
  app.setErrorHandler(sendProblem)
  refuseUnrouted(server, unrouted)
  guard(server, common)
  app.addSchema(ProblemBody)
  await openapiRoute(server, {
    title: 'Science platform',
    description:
      'Jobs: commands in container images with resources. Errors are problems (RFC 9457) with a hint; ' +
      'docs/problems.md lists them.',
  })
  jobRoutes(app, parts)
  jobSetRoutes(app, parts)
  changeRoutes(app, parts, common.authenticator)
  logRoutes(app, parts)
  accountRoutes(app)
  auditRoutes(app, parts)
  fileRoutes(app, parts)
  imageRoutes(app, parts)
  tokenRoutes(app, parts, common.authenticator)
  userRoutes(app, parts, common.authenticator)
  groupRoutes(app, parts, common.authenticator)
  projectRoutes(app, parts)
  registryRoutes(app, parts)
  limitRoutes(app, parts)
  queueRoutes(app, parts)
}

const notUtf8 = (): Problem =>
  new Problem('invalid-request', 'The body is not UTF-8.', { hint: 'Send JSON in UTF-8 (RFC 8259, section 8.1).' })
