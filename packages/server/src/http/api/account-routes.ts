import Type, { type Static } from 'typebox'
import { Instant } from '@science-platform/contract'
import { isAdministrator } from '../../access/may-touch.ts'
import { callerOf } from '../server/guard.ts'
import { instant } from '../views/job-view.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

const Account = Type.Object(
  {
    name: Type.String(),
    uid: Type.Integer({ description: 'What your jobs run as.' }),
    gid: Type.Integer(),
    groups: Type.Array(Type.Object({ name: Type.String(), gid: Type.Integer() })),
    admin: Type.Boolean({ description: 'Whether this token acts for an administrator.' }),
    scopes: Type.Array(Type.String(), { description: 'What this token may be used for.' }),
    tokenExpiresAt: Type.Optional(Instant),
  },
  { $id: 'Account' },
)

/** `/account`: who the server takes the caller for. */
export function accountRoutes(app: ApiServer): void {
  app.addSchema(Account)
  app.get(
    '/account',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'getAccount',
        summary: 'Who you are here, and what your token allows',
        response: { 200: answer<Static<typeof Account>>('Account', 'You'), ...problemResponses },
      },
    },
    (request) => {
      const caller = callerOf(request)
      const { name, uid, gid, groups } = caller.account
      return {
        name,
        uid,
        gid,
        groups: [...groups],
        admin: isAdministrator(caller),
        scopes: [...caller.scopes],
        ...(caller.tokenExpiresAt === undefined ? {} : { tokenExpiresAt: instant(caller.tokenExpiresAt) }),
      }
    },
  )
}
