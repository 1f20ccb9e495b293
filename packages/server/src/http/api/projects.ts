import { Project, ProjectChange, ProjectRequest, Projects } from '@science-platform/contract'
import Type from 'typebox'
import { addProject, groupNamed, setProject, type DirectoryStep } from '../../access/directory.ts'
import type { Dependencies } from '../server/dependencies.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

/** `/projects`: for administrators, to add, list and give to groups. */
export function projectRoutes(app: ApiServer, { store, projects }: Pick<Dependencies, 'store' | 'projects'>): void {
  for (const schema of [Project, ProjectChange, ProjectRequest, Projects]) app.addSchema(schema)
  /** The directory follows the store, also when an earlier request was cut off between the two. */
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
        summary: 'All directories under /arc/projects with the groups that they belong to',
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
        summary: 'Make a directory under /arc/projects for a group',
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
        summary: "Give a project to another group, with all files that were the old group's",
        params: Type.Object({ name: Type.String({ description: 'The name of a project.', examples: ['survey'] }) }),
        body: ProjectChange,
        response: { 200: answer<Project>('Project', 'The project as it is now'), ...problemResponses },
      },
    },
    (request) => {
      const project = { name: request.params.name, group: request.body.group }
      return change(project, setProject(project))
    },
  )
}
