import { DisableRequest, User, UserChange, UserRequest, Users } from '@science-platform/contract'
import Type from 'typebox'
import type { Authenticator } from '../../access/authenticate.ts'
import { addUser, disableUser, enableUser, setUser, userNamed, type DirectoryStep } from '../../access/directory.ts'
import { viewUser } from '../../access/views.ts'
import type { Dependencies } from '../server/dependencies.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

const UserAddress = Type.Object({ name: Type.String({ description: 'The name of a user.', examples: ['ada'] }) })

/** `/users`: add, show, change, disable and enable users. For administrators. */
export function userRoutes(
  app: ApiServer,
  { store, now, cancelJobsOfDisabled }: Pick<Dependencies, 'store' | 'now' | 'cancelJobsOfDisabled'>,
  authenticator: Pick<Authenticator, 'forget'>,
): void {
  for (const schema of [DisableRequest, User, UserChange, UserRequest, Users]) app.addSchema(schema)
  const change = async (name: string, step: DirectoryStep): Promise<User> => {
    await store.changeDirectory(step)
    // The cache of tokens contains the rights of their users.
    authenticator.forget()
    return viewUser(userNamed(await store.directory(), name))
  }
  const config = { scope: 'admin' } as const

  app.get(
    '/users',
    {
      config,
      exposeHeadRoute: true,
      schema: {
        operationId: 'listUsers',
        summary: 'All users',
        response: { 200: answer<Users>('Users', 'The users, by name'), ...problemResponses },
      },
    },
    async () => ({ users: [...(await store.directory()).users.values()].map(viewUser) }),
  )

  app.post(
    '/users',
    {
      config,
      schema: {
        operationId: 'addUser',
        summary: 'Add a user',
        body: UserRequest,
        response: { 201: answer<User>('User', 'The user'), ...problemResponses },
      },
    },
    async (request, reply) => {
      const { name } = request.body
      request.subject = name
      const user = await change(name, addUser(request.body))
      return reply.code(201).header('location', `/api/v1/users/${name}`).send(user)
    },
  )

  app.get(
    '/users/:name',
    {
      config,
      exposeHeadRoute: true,
      schema: {
        operationId: 'getUser',
        summary: 'One user',
        params: UserAddress,
        response: { 200: answer<User>('User', 'The user'), ...problemResponses },
      },
    },
    async (request) => viewUser(userNamed(await store.directory(), request.params.name)),
  )

  app.patch(
    '/users/:name',
    {
      config,
      schema: {
        operationId: 'setUser',
        summary: 'Change the rights and the groups of a user; fields left out stay',
        description: "Groups take effect with the user's next job. The last administrator cannot be demoted.",
        params: UserAddress,
        body: UserChange,
        response: { 200: answer<User>('User', 'The updated user'), ...problemResponses },
      },
    },
    (request) => change(request.params.name, setUser(request.params.name, request.body)),
  )

  app.post(
    '/users/:name/disable',
    {
      config,
      schema: {
        operationId: 'disableUser',
        summary: 'Disable a user: revoke all tokens, and cancel the jobs if requested',
        description:
          "Requests after the answer are refused. The user's waiting and running jobs continue, unless cancelJobs is true.",
        params: UserAddress,
        body: DisableRequest,
        response: { 200: answer<User>('User', 'The updated user'), ...problemResponses },
      },
    },
    async (request) => {
      const { name } = request.params
      const cancelJobs = request.body.cancelJobs ?? false
      const user = await change(name, disableUser(name, { cancelJobs, now: now() }))
      if (cancelJobs) await cancelJobsOfDisabled()
      return user
    },
  )

  app.post(
    '/users/:name/enable',
    {
      config,
      schema: {
        operationId: 'enableUser',
        summary: 'Enable a disabled user; earlier tokens stay revoked',
        params: UserAddress,
        response: { 200: answer<User>('User', 'The updated user'), ...problemResponses },
      },
    },
    (request) => change(request.params.name, enableUser(request.params.name)),
  )
}
