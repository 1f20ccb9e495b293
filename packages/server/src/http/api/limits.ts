import { Holder, holderKinds, HolderList, HolderSettings, Limits } from '@science-platform/contract'
import Type from 'typebox'
import { shown } from '../../job/invalid.ts'
import type { Store, StoredHolder } from '../../store/store.ts'
import { instant } from '../views/job-view.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { Problem } from '../server/problem.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

const HolderAddress = Type.Object({
  kind: Type.Enum([...holderKinds]),
  name: Type.String({ description: 'The name of the user or group.', examples: ['ada'] }),
})

/** `/limits`: what users and groups may hold, for administrators. A change counts at once. */
export function limitRoutes(
  app: ApiServer,
  { store, config, queue, now }: Pick<Dependencies, 'store' | 'config' | 'queue' | 'now'>,
): void {
  for (const schema of [Holder, HolderList, HolderSettings, Limits]) app.addSchema(schema)
  app.get(
    '/limits',
    {
      config: { scope: 'admin' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'listLimits',
        summary: 'What users and groups may hold at once',
        response: { 200: answer<HolderList>('HolderList', 'What holds for all, and what is set'), ...problemResponses },
      },
    },
    async () => ({ defaults: config.policy.limits, holders: (await store.holders()).map(holderView) }),
  )

  app.put(
    '/limits/:kind/:name',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'setLimits',
        summary: 'Set what a user or group may hold, instead of what was set before',
        description:
          'Jobs that run go on, also where they hold more than that; no more are started until they hold less.',
        params: HolderAddress,
        body: HolderSettings,
        response: { 200: answer<Holder>('Holder', 'What is set now'), ...problemResponses },
      },
    },
    async (request) => {
      const { kind, name } = request.params
      if (!(await isThere(store, kind, name))) {
        throw new Problem('not-found', `There is no ${kind} ${shown(name)}.`, {
          hint: `See the ${kind}s there are with science-platform user list.`,
        })
      }
      const holder: StoredHolder = { kind, name, limits: {}, ...request.body, setAt: now() }
      await store.setHolder(holder)
      await queue.caughtUp()
      return holderView(holder)
    },
  )

  app.delete(
    '/limits/:kind/:name',
    {
      config: { scope: 'admin' },
      schema: {
        operationId: 'clearLimits',
        summary: 'Take back what was set: what the configuration says for all holds again',
        params: HolderAddress,
        response: { 204: Type.Null({ description: 'Nothing is set for them any more' }), ...problemResponses },
      },
    },
    async (request, reply) => {
      const { kind, name } = request.params
      if (!(await store.clearHolder(kind, name, now()))) {
        throw new Problem('not-found', `Nothing is set for the ${kind} ${shown(name)}.`, {
          hint: 'GET /api/v1/limits lists for whom something is.',
        })
      }
      await queue.caughtUp()
      return reply.code(204).send(null)
    },
  )
}

/** Whether there is such a user or group. */
export async function isThere(
  store: Pick<Store, 'directory'>,
  kind: StoredHolder['kind'],
  name: string,
): Promise<boolean> {
  const { users, groups } = await store.directory()
  return (kind === 'user' ? users : groups).has(name)
}

/** What is set for somebody, as the API shows it. Pure. */
const holderView = ({ setAt, ...holder }: StoredHolder): Holder => ({ ...holder, setAt: instant(setAt) })
