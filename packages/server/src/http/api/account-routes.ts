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
    uid: Type.Integer({ description: 'The user id that your jobs run as.' }),
    gid: Type.Integer(),
    groups: Type.Array(Type.Object({ name: Type.String(), gid: Type.Integer() })),
    admin: Type.Boolean({ description: 'Whether this token has the rights of an administrator.' }),
    scopes: Type.Array(Type.String(), { description: 'Scopes of this token.' }),
    tokenExpiresAt: Type.Optional(Instant),
  },
  { $id: 'Account' },
)

/** `/account`: the user and the scopes of the caller's token. */
export function accountRoutes(app: ApiServer): void {
  app.addSchema(Account)
  app.get(
    '/account',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'getAccount',
        summary: 'Your user and the scopes of your token',
        response: { 200: answer<Static<typeof Account>>('Account', 'Your account'), ...problemResponses },
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
