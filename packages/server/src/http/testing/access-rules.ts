import type { InjectOptions } from 'fastify'
import { addProject, addUser, type DirectoryStep } from '../../access/directory.ts'
import type { Scope } from '../../access/scopes.ts'
import { newToken } from '../../lib/secrets/token-text.ts'
import type { TestApp } from './test-app.ts'

/** Values of the parameters in an address. */
export type AddressParts = Readonly<Record<string, string>>

/** The permitted callers of a route, and a request that it grants. */
export interface AccessRule {
  /** The required scope. Repeated here, so that the test fails when the scope of the route changes. */
  readonly scope: Scope | 'public'
  /**
   * The permitted callers.
   *
   * - `anybody`: no token is needed.
   * - `callers`: every token with the scope.
   * - `owner`: the owner of the object and administrators. For others the object does not exist.
   * - `administrators`: others are refused as forbidden.
   * - `user`: the owner of the object. For others, administrators too, the object does not exist.
   */
  readonly whose: 'anybody' | 'callers' | 'owner' | 'administrators' | 'user'
  /** The status for permitted callers. Default: 200. */
  readonly status?: number
  /** `owner` and `user`: the status for a missing object, or another user's. Default: 404. */
  readonly absent?: number
  /** Query, headers and payload that the route grants. */
  readonly request?: (parts: AddressParts) => Omit<InjectOptions, 'method' | 'url'>
  /** Creates the object of the address for `owner`, and returns the values for its address. Default: a running job. */
  readonly make?: (t: TestApp, owner: string) => Promise<AddressParts>
  /** Values for the address of a missing object, in the form of those of `make`. Default: those of a missing job. */
  readonly missing?: AddressParts
}

const open = { scope: 'public', whose: 'anybody' } as const satisfies AccessRule
const readableByCallers = { scope: 'read', whose: 'callers' } as const satisfies AccessRule
const readableByOwner = { scope: 'read', whose: 'owner' } as const satisfies AccessRule
const manageableByOwner = { scope: 'manage', whose: 'owner' } as const satisfies AccessRule

const administrators = { scope: 'admin', whose: 'administrators' } as const satisfies AccessRule

/** A random name that is not in use. */
const fresh = (letter: string): string => `${letter}${Math.random().toString(36).slice(2, 12)}`

const make =
  (step: (name: string) => DirectoryStep) =>
  async (t: TestApp): Promise<AddressParts> => {
    const name = fresh('n')
    await t.store.changeDirectory(step(name))
    return { name }
  }
const aProject = make((name) => addProject({ name, group: 'survey' }))
const aUser: AccessRule = { ...administrators, make: make((name) => addUser({ name })) }
const aMember: AccessRule = { ...administrators, make: async () => ({ name: 'survey', user: 'carol' }) }

const ownToken: AccessRule = {
  scope: 'manage',
  whose: 'user',
  make: async (t, owner) => {
    const { token: _, ...kept } = newToken()
    await t.store.addToken({ ...kept, account: owner, name: 'test', scopes: ['read'], createdAt: t.clock.now })
    return { id: kept.id }
  },
  missing: { id: 'zzzzzzzzzzzz' },
}

const session = { name: 'a', image: 'localhost/test:1' }

/**
 * Every route of the server by `METHOD address`. `VERSION` stands for each version of the skaha wire. The access matrix
 * test requests each route as every kind of caller. HEAD has the rule of GET.
 */
export const accessRules: Readonly<Record<string, AccessRule>> = {
  'GET /healthz': open,
  'GET /readyz': open,
  'GET /metrics': { scope: 'admin', whose: 'administrators' },

  'GET /api/v1/openapi.json': open,
  'GET /api/v1/account': readableByCallers,
  'GET /api/v1/audit': { scope: 'admin', whose: 'administrators' },
  'GET /api/v1/images': readableByCallers,
  // The address contains an invalid reference, so no registry is contacted.
  'GET /api/v1/images/:reference': { ...readableByCallers, status: 400 },
  'POST /api/v1/images/:reference/pull': { scope: 'submit', whose: 'callers', status: 400 },
  'GET /api/v1/images/:reference/pull': { ...readableByCallers, status: 400 },
  'GET /api/v1/registries': readableByCallers,
  'PUT /api/v1/registries/:registry/login': {
    scope: 'manage',
    whose: 'callers',
    status: 404,
    request: () => ({ payload: { username: 'ada', secret: 's', check: false } }),
  },
  'DELETE /api/v1/registries/:registry/login': { scope: 'manage', whose: 'callers', status: 404 },
  'GET /api/v1/jobs': readableByCallers,
  'POST /api/v1/jobs': { scope: 'submit', whose: 'callers', status: 201, request: () => ({ payload: session }) },
  // Jobs of other users are among the unknown ids.
  'POST /api/v1/jobs/wait': {
    scope: 'read',
    whose: 'callers',
    request: () => ({ payload: { ids: ['zzzzzzzz'], timeout: 0 } }),
  },
  // Jobs of other users are among the unknown ids.
  'POST /api/v1/jobs/batch': {
    scope: 'submit',
    whose: 'callers',
    status: 201,
    request: () => ({ payload: { jobs: [session] } }),
  },
  'POST /api/v1/jobs/cancel': {
    scope: 'manage',
    whose: 'callers',
    request: () => ({ payload: { ids: ['zzzzzzzz'] } }),
  },
  // A stream stays open. With an unknown cursor it is refused at once.
  'GET /api/v1/changes': {
    scope: 'read',
    whose: 'callers',
    status: 410,
    request: () => ({ headers: { 'last-event-id': '0-0' } }),
  },
  'GET /api/v1/jobs/:id': readableByOwner,
  'POST /api/v1/jobs/:id/cancel': { ...manageableByOwner, status: 202 },
  'GET /api/v1/jobs/:id/wait': { ...readableByOwner, request: () => ({ query: { timeout: '0' } }) },
  'GET /api/v1/jobs/:id/events': readableByOwner,
  'GET /api/v1/jobs/:id/why': readableByOwner,
  'GET /api/v1/queue': readableByCallers,
  // The simulated executor has no files.
  'GET /api/v1/files': { ...readableByCallers, status: 409, request: () => ({ query: { glob: '/arc/home/*' } }) },
  'GET /api/v1/limits': { scope: 'admin', whose: 'administrators' },
  'PUT /api/v1/limits/:kind/:name': {
    scope: 'admin',
    whose: 'administrators',
    make: async () => ({ kind: 'user', name: 'ada' }),
    request: () => ({ payload: { weight: 2 } }),
  },
  'DELETE /api/v1/limits/:kind/:name': {
    scope: 'admin',
    whose: 'administrators',
    status: 204,
    make: async ({ store }) => {
      await store.setHolder({ kind: 'user', name: 'bob', limits: {}, setAt: 0 })
      return { kind: 'user', name: 'bob' }
    },
  },
  'GET /api/v1/jobs/:id/logs': readableByOwner,

  'GET /api/v1/tokens': readableByCallers,
  'POST /api/v1/tokens': { scope: 'manage', whose: 'callers', status: 201, request: () => ({ payload: {} }) },
  // The token was not created with the token of the request.
  'POST /api/v1/tokens/:id/rotate': { ...ownToken, status: 403, request: () => ({ payload: {} }) },
  'DELETE /api/v1/tokens/:id': ownToken,

  'GET /api/v1/users': administrators,
  'POST /api/v1/users': { ...administrators, status: 201, request: () => ({ payload: { name: fresh('u') } }) },
  'GET /api/v1/users/:name': aUser,
  'PATCH /api/v1/users/:name': { ...aUser, request: () => ({ payload: {} }) },
  'POST /api/v1/users/:name/disable': { ...aUser, request: () => ({ payload: {} }) },
  'POST /api/v1/users/:name/enable': aUser,
  'GET /api/v1/groups': administrators,
  'POST /api/v1/groups': { ...administrators, status: 201, request: () => ({ payload: { name: fresh('g') } }) },
  'PUT /api/v1/groups/:name/members/:user': aMember,
  'DELETE /api/v1/groups/:name/members/:user': aMember,
  'GET /api/v1/projects': administrators,
  'POST /api/v1/projects': {
    ...administrators,
    status: 201,
    request: () => ({ payload: { name: fresh('p'), group: 'survey' } }),
  },
  'PATCH /api/v1/projects/:name': {
    ...administrators,
    make: aProject,
    request: () => ({ payload: { group: 'optics' } }),
  },

  'GET /arc/availability': open,
  'GET /arc/capabilities': open,

  'GET /skaha': open,
  'GET /skaha/openapi.json': open,
  'GET /skaha/availability': open,
  'GET /skaha/capabilities': open,
  'GET /skaha/VERSION/availability': open,
  'GET /skaha/VERSION/capabilities': open,
  'GET /skaha/VERSION/context': readableByCallers,
  'GET /skaha/VERSION/image': readableByCallers,
  'GET /skaha/VERSION/repository': readableByCallers,
  'GET /skaha/VERSION/session': readableByCallers,
  'POST /skaha/VERSION/session': { scope: 'submit', whose: 'callers', request: () => ({ query: session }) },
  'DELETE /skaha/VERSION/session': { scope: 'manage', whose: 'callers', status: 400 },
  'GET /skaha/VERSION/session/:id': readableByOwner,
  'POST /skaha/VERSION/session/:id': {
    ...manageableByOwner,
    absent: 400,
    request: () => ({ query: { action: 'renew' } }),
  },
  'DELETE /skaha/VERSION/session/:id': { ...manageableByOwner, absent: 200 },
  // Headless sessions have no applications. Only the list, which is empty, shows whether the session exists.
  'GET /skaha/VERSION/session/:id/:app': readableByOwner,
  'POST /skaha/VERSION/session/:id/:app': { scope: 'submit', whose: 'callers', status: 400 },
  'DELETE /skaha/VERSION/session/:id/:app': { scope: 'manage', whose: 'callers', status: 400 },
  'GET /skaha/VERSION/session/:id/:app/:appId': { scope: 'read', whose: 'callers', status: 404 },
  'POST /skaha/VERSION/session/:id/:app/:appId': { scope: 'manage', whose: 'callers', status: 400 },
  'DELETE /skaha/VERSION/session/:id/:app/:appId': { scope: 'manage', whose: 'callers', status: 404 },
  'GET /skaha/VERSION/session/:id/:app/:appId/*': { scope: 'read', whose: 'callers', status: 400 },
  'POST /skaha/VERSION/session/:id/:app/:appId/*': { scope: 'read', whose: 'callers', status: 400 },
  'DELETE /skaha/VERSION/session/:id/:app/:appId/*': { scope: 'read', whose: 'callers', status: 400 },
}
