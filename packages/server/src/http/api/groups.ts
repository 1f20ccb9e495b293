import { Group, GroupRequest, Groups } from '@science-platform/contract'
import Type from 'typebox'
import type { Authenticator } from '../../access/authenticate.ts'
import { addGroup, addMember, groupNamed, removeMember, type DirectoryStep } from '../../access/directory.ts'
import { viewGroup } from '../../access/views.ts'
import type { Dependencies } from '../server/dependencies.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

const MemberAddress = Type.Object({
  name: Type.String({ description: 'The name of a group.', examples: ['survey'] }),
  user: Type.String({ description: 'The name of a user.', examples: ['ada'] }),
})

/** `/groups`: add and list groups, add and remove members. For administrators. */
export function groupRoutes(
  app: ApiServer,
  { store }: Pick<Dependencies, 'store'>,
  authenticator: Pick<Authenticator, 'forget'>,
): void {
  for (const schema of [Group, GroupRequest, Groups]) app.addSchema(schema)
  const change = async (name: string, step: DirectoryStep): Promise<Group> => {
    await store.changeDirectory(step)
    authenticator.forget()
    const directory = await store.directory()
    return viewGroup(directory, groupNamed(directory, name))
  }
  const config = { scope: 'admin' } as const

  app.get(
    '/groups',
    {
      config,
      exposeHeadRoute: true,
      schema: {
        operationId: 'listGroups',
        summary: 'All groups with their members',
        response: { 200: answer<Groups>('Groups', 'The groups, by name'), ...problemResponses },
      },
    },
    async () => {
      const directory = await store.directory()
      return { groups: [...directory.groups.values()].map((group) => viewGroup(directory, group)) }
    },
  )

  app.post(
    '/groups',
    {
      config,
      schema: {
        operationId: 'addGroup',
        summary: 'Add a group, without members',
        body: GroupRequest,
        response: { 201: answer<Group>('Group', 'The group'), ...problemResponses },
      },
    },
    async (request, reply) => {
      request.subject = request.body.name
      return reply.code(201).send(await change(request.body.name, addGroup(request.body)))
    },
  )

  app.put(
    '/groups/:name/members/:user',
    {
      config,
      schema: {
        operationId: 'addMember',
        summary: "Add a user to a group; takes effect with the user's next job",
        params: MemberAddress,
        response: { 200: answer<Group>('Group', 'The updated group'), ...problemResponses },
      },
    },
    (request) => change(request.params.name, addMember(request.params.name, request.params.user)),
  )

  app.delete(
    '/groups/:name/members/:user',
    {
      config,
      schema: {
        operationId: 'removeMember',
        summary: "Remove a user from a group; takes effect with the user's next job",
        params: MemberAddress,
        response: { 200: answer<Group>('Group', 'The updated group'), ...problemResponses },
      },
    },
    (request) => change(request.params.name, removeMember(request.params.name, request.params.user)),
  )
}
