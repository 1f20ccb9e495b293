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

/** Maximum time of a registry request about credentials. Milliseconds. */
const checkMilliseconds = 20_000

const RegistryAddress = Type.Object({
  registry: Type.String({ maxLength: 255, description: 'The host of a registry.', examples: ['images.canfar.net'] }),
})

/** `/registries`: the registries that images may come from, and the caller's credentials for them. */
export function registryRoutes(
  app: ApiServer,
  { store, catalogue, logins, config, now }: Pick<Dependencies, 'store' | 'catalogue' | 'logins' | 'config' | 'now'>,
): void {
  const policy = config.images
  for (const schema of [Registry, Registries, RegistryLogin, RegistryLoginResult]) app.addSchema(schema)

  /** @throws {Problem} for a registry that the configuration does not allow. Credentials are sent to no other address. */
  function known(text: string): string {
    const registry = text.toLowerCase()
    const hosts = registryHosts(policy)
    if (hosts.includes(registry)) return registry
    throw new Problem('not-found', `The platform does not allow the registry ${shown(text)}.`, {
      hint:
        hosts.length === 0
          ? 'It allows only images of its local store.'
          : `The allowed registries are: ${hosts.join(', ')}.`,
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
          'Replaces your earlier credentials for the registry. The platform checks them at the registry first, unless check is false.',
        params: RegistryAddress,
        body: RegistryLogin,
        response: {
          200: answer<RegistryLoginResult>('RegistryLoginResult', 'The credentials are stored'),
          ...problemResponses,
        },
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
        summary: 'Delete your credentials for a registry',
        description: 'Jobs that have not started yet start without them.',
        params: RegistryAddress,
        response: { 204: Type.Null({ description: 'The credentials are deleted' }), ...problemResponses },
      },
    },
    async (request, reply) => {
      // Credentials for a registry that is no longer allowed can be deleted too.
      const registry = request.params.registry.toLowerCase()
      if (!(await store.deleteRegistryLogin(callerOf(request).account.name, registry))) {
        throw new Problem('not-found', `You have no credentials stored for ${shown(registry)}.`, {
          hint: 'List your credentials: canfar registry list.',
        })
      }
      return reply.code(204).send(null)
    },
  )
}

/** The error for credentials that were not stored. */
const refusal =
  (registry: string, signal: AbortSignal) =>
  (error: unknown): never => {
    if (error instanceof RegistryError && error.failure === 'denied') {
      throw new InvalidRequest(
        'secret',
        `The registry ${registry} refuses this user name and secret; nothing was stored.`,
        'Check both. Many registries need a token from their web page instead of the password.',
      )
    }
    if (error instanceof RegistryError || signal.aborted) {
      const why =
        error instanceof RegistryError && error.failure === 'untrusted'
          ? ' because it forwards them to another site'
          : ''
      throw new Problem(
        'registry-unavailable',
        `The registry ${registry} could not check the credentials${why}; nothing was stored.`,
        {
          hint: 'Try again later, or store them without a check: check: false, or canfar registry login --no-check.',
          cause: error,
        },
      )
    }
    throw error
  }
