import { Registries, Registry, RegistryLogin, RegistryLoginResult } from '@science-platform/contract'
import Type from 'typebox'
import { checkLogin, loginAddress, registryHosts } from '../../image/access/check-login.ts'
import { RegistryError } from '../../image/registry/registry-error.ts'
import { InvalidRequest, shown } from '../../job/invalid.ts'
import { callerOf } from '../server/guard.ts'
import { instant } from '../views/job-view.ts'
import { leaving } from '../server/leaving.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { Problem } from '../server/problem.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

/** The longest that a registry is asked about credentials. Milliseconds. */
const checkMilliseconds = 20_000

const RegistryAddress = Type.Object({
  registry: Type.String({ maxLength: 255, description: 'The host of a registry.', examples: ['images.canfar.net'] }),
})

/** `/registries`: where images may come from, and the caller's credentials there. */
export function registryRoutes(
  app: ApiServer,
  { store, catalogue, logins, config, now }: Pick<Dependencies, 'store' | 'catalogue' | 'logins' | 'config' | 'now'>,
): void {
  const policy = config.images
  for (const schema of [Registry, Registries, RegistryLogin, RegistryLoginResult]) app.addSchema(schema)

  /** @throws {Problem} where images may not come from there: to no other address anything is ever sent. */
  function known(text: string): string {
    const registry = text.toLowerCase()
    const hosts = registryHosts(policy)
    if (hosts.includes(registry)) return registry
    throw new Problem('not-found', `The platform takes no images from a registry ${shown(text)}.`, {
      hint:
        hosts.length === 0
          ? 'It takes images from its local store alone.'
          : `It takes images from: ${hosts.join(', ')}.`,
    })
  }

  app.get(
    '/registries',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'listRegistries',
        summary: 'Registries that images may come from, and your logins there',
        response: { 200: answer<Registries>('Registries', 'The registries'), ...problemResponses },
      },
    },
    async (request) => {
      const own = new Map(
        (await store.registryLogins(callerOf(request).account.name)).map((each) => [each.registry, each]),
      )
      return {
        registries: registryHosts(policy).map((registry) => {
          const lists = catalogue.registries().filter((each) => each.registry.split('/')[0] === registry)
          const login = own.get(registry)
          const listedAt = lists.map((each) => each.listedAt).find((at) => at !== undefined)
          const fault = lists.map((each) => each.fault).find((text) => text !== undefined)
          return {
            registry,
            images: lists.reduce((sum, { images }) => sum + images.length, 0),
            ...(login && { login: { username: login.username, since: instant(login.createdAt) } }),
            ...(listedAt === undefined ? {} : { listedAt: instant(listedAt) }),
            ...(fault === undefined ? {} : { fault }),
          }
        }),
      }
    },
  )

  app.put(
    '/registries/:registry/login',
    {
      config: { scope: 'manage' },
      schema: {
        operationId: 'logInToRegistry',
        summary: 'Store your credentials for a registry',
        description:
          'They take the place of those you had. They are tried at the registry first, unless check is false.',
        params: RegistryAddress,
        body: RegistryLogin,
        response: { 200: answer<RegistryLoginResult>('RegistryLoginResult', 'They are stored'), ...problemResponses },
      },
    },
    async (request, reply) => {
      const registry = known(request.params.registry)
      const { username, secret, check = true } = request.body
      const auth = `${username}:${secret}`
      const { signal, release } = leaving(app, reply, checkMilliseconds)
      try {
        const checked = check && (await checkLogin(registry, auth, policy, signal).catch(refusal(registry, signal)))
        await logins.put({
          account: callerOf(request).account.name,
          registry,
          address: loginAddress(registry, policy),
          registryAuth: auth,
          createdAt: now(),
        })
        return { registry, username, checked }
      } finally {
        release()
      }
    },
  )

  app.delete(
    '/registries/:registry/login',
    {
      config: { scope: 'manage' },
      schema: {
        operationId: 'logOutOfRegistry',
        summary: 'Forget your credentials for a registry',
        description: 'Jobs that have not started yet do without them.',
        params: RegistryAddress,
        response: { 204: Type.Null({ description: 'They are forgotten' }), ...problemResponses },
      },
    },
    async (request, reply) => {
      // Those for a registry that is no longer allowed can be forgotten too.
      const registry = request.params.registry.toLowerCase()
      if (!(await store.deleteRegistryLogin(callerOf(request).account.name, registry))) {
        throw new Problem('not-found', `You have no credentials stored for ${shown(registry)}.`, {
          hint: 'canfar registry list shows which there are.',
        })
      }
      return reply.code(204).send(null)
    },
  )
}

/** Says why credentials were not stored. */
const refusal =
  (registry: string, signal: AbortSignal) =>
  (error: unknown): never => {
    if (error instanceof RegistryError && error.failure === 'denied') {
      throw new InvalidRequest(
        'secret',
        `The registry ${registry} does not accept this user name and secret; nothing was stored.`,
        'Check both; many registries take a token made on their web page in place of the password.',
      )
    }
    if (error instanceof RegistryError || signal.aborted) {
      const why =
        error instanceof RegistryError && error.failure === 'untrusted' ? ': it sends credentials to another site' : ''
      throw new Problem(
        'registry-unavailable',
        `The registry ${registry} could not check them${why}; nothing was stored.`,
        {
          hint: 'Try again later, or store them unchecked: check: false, canfar registry login --no-check.',
          cause: error,
        },
      )
    }
    throw error
  }
