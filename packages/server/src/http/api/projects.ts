import { Project, ProjectChange, ProjectRequest, Projects } from '@science-platform/contract'
import Type from 'typebox'
import { addProject, groupNamed, setProject, type DirectoryStep } from '../../access/directory.ts'
import type { Dependencies } from '../server/dependencies.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

/** `/projects`: add and list projects, and change their groups. For administrators. */
export function projectRoutes(app: ApiServer, { store, projects }: Pick<Dependencies, 'store' | 'projects'>): void {
  for (const schema of [Project, ProjectChange, ProjectRequest, Projects]) app.addSchema(schema)
  /** Writes the store first, then the directory. Repeating the request completes an interrupted one. */
  const change = async (project: Project, step: DirectoryStep): Promise<Project> => {
    await store.changeDirectory(step)
    await projects.give(project.name, groupNamed(await store.directory(), project.group).gid)
    return project
  }
  const config = { scope: 'admin' } as const

  app.get(
    '/projects',
    {
      config,
      exposeHeadRoute: true,
      schema: {
        operationId: 'listProjects',
        summary: 'All directories under /arc/projects with their groups',
        response: { 200: answer<Projects>('Projects', 'The projects, by name'), ...problemResponses },
      },
    },
    async () => ({ projects: [...(await store.directory()).projects.values()] }),
  )

  app.post(
    '/projects',
    {
      config,
      schema: {
        operationId: 'addProject',
        summary: 'Add a directory under /arc/projects for a group',
        body: ProjectRequest,
        response: { 201: answer<Project>('Project', 'The project'), ...problemResponses },
      },
    },
    async (request, reply) => {
      request.subject = request.body.name
      return reply.code(201).send(await change(request.body, addProject(request.body)))
    },
  )

  app.patch(
    '/projects/:name',
    {
      config,
      schema: {
        operationId: 'setProject',
        summary: 'Change the group of a project, and of all files of the old group',
        params: Type.Object({ name: Type.String({ description: 'The name of a project.', examples: ['survey'] }) }),
        body: ProjectChange,
        response: { 200: answer<Project>('Project', 'The updated project'), ...problemResponses },
      },
    },
    (request) => {
      const project = { name: request.params.name, group: request.body.group }
      return change(project, setProject(project))
    },
  )
}
