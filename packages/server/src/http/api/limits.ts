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

/** `/limits`: limits of users and groups, for administrators. A change takes effect at once. */
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
        summary: 'The limits of users and groups',
        response: {
          200: answer<HolderList>('HolderList', 'The defaults, and the limits of single users and groups'),
          ...problemResponses,
        },
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
        summary: 'Replace the limits of a user or group',
        description:
          'Running jobs continue, also above a new limit. No job starts until the allocations are below the limit.',
        params: HolderAddress,
        body: HolderSettings,
        response: { 200: answer<Holder>('Holder', 'The new limits'), ...problemResponses },
      },
    },
    async (request) => {
      const { kind, name } = request.params
      if (!(await isThere(store, kind, name))) {
        throw new Problem('not-found', `There is no ${kind} ${shown(name)}.`, {
          hint: `List the ${kind}s: science-platform ${kind} list.`,
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
        summary: 'Remove the limits of a user or group; the defaults of the configuration apply again',
        params: HolderAddress,
        response: { 204: Type.Null({ description: 'The limits are removed' }), ...problemResponses },
      },
    },
    async (request, reply) => {
      const { kind, name } = request.params
      if (!(await store.clearHolder(kind, name, now()))) {
        throw new Problem('not-found', `The ${kind} ${shown(name)} has no limits of its own.`, {
          hint: 'List the limits: GET /api/v1/limits.',
        })
      }
      await queue.caughtUp()
      return reply.code(204).send(null)
    },
  )
}

/** Whether the user or group exists. */
export async function isThere(
  store: Pick<Store, 'directory'>,
  kind: StoredHolder['kind'],
  name: string,
): Promise<boolean> {
  const { users, groups } = await store.directory()
  return (kind === 'user' ? users : groups).has(name)
}

/** The limits of a user or group in the API. Pure. */
const holderView = ({ setAt, ...holder }: StoredHolder): Holder => ({ ...holder, setAt: instant(setAt) })
