import type { InjectOptions } from 'fastify'
import { addProject, addUser, type DirectoryStep } from '../../access/directory.ts'
import type { Scope } from '../../access/scopes.ts'
import { newToken } from '../../lib/secrets/token-text.ts'
import type { TestApp } from './test-app.ts'

/** What the parameters of an address stand for. */
export type AddressParts = Readonly<Record<string, string>>

/** Who may use a route, and how to ask it for something that it grants. */
export interface AccessRule {
  /** What the token must have been made for. Said here again, so that a change of the route's own word is noticed. */
  readonly scope: Scope | 'public'
  /**
   * Whose the thing of the address is. `anybody`: no token is needed. `callers`: whoever has a token of the scope.
   * `owner`: one user's, and administrators'; to all others it is as if it were not there. `administrators`: nobody else's;
   * others are told so. `user`: one user's, to administrators too as if it were not there.
   */
  readonly whose: 'anybody' | 'callers' | 'owner' | 'administrators' | 'user'
  /** The status for who may. Default 200. */
  readonly status?: number
  /** `owner` and `user`: the status where there is no such thing, or it is another's. Default 404. */
  readonly absent?: number
  /** Query, headers and payload that the route grants. */
  readonly request?: (parts: AddressParts) => Omit<InjectOptions, 'method' | 'url'>
  /** Makes what the address is about, as `owner`'s, and returns the parts of its address. Default: a running job. */
  readonly make?: (t: TestApp, owner: string) => Promise<AddressParts>
  /** The parts of an address where nothing is, of the same form as those of `make`. Default: a job that is not there. */
  readonly missing?: AddressParts
}

const open = { scope: 'public', whose: 'anybody' } as const satisfies AccessRule
const everybodysToRead = { scope: 'read', whose: 'callers' } as const satisfies AccessRule
const ownToRead = { scope: 'read', whose: 'owner' } as const satisfies AccessRule
const ownToManage = { scope: 'manage', whose: 'owner' } as const satisfies AccessRule

const administrators = { scope: 'admin', whose: 'administrators' } as const satisfies AccessRule

/** Names that nobody has had yet. */
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
 * Every route of the server by `METHOD address`, `VERSION` standing for each version of the skaha wire. The test beside
 * `app.ts` asks each as every kind of caller. HEAD is as GET.
 */
export const accessRules: Readonly<Record<string, AccessRule>> = {
  'GET /healthz': open,
  'GET /readyz': open,
  'GET /metrics': { scope: 'admin', whose: 'administrators' },

  'GET /api/v1/openapi.json': open,
  'GET /api/v1/account': everybodysToRead,
  'GET /api/v1/audit': { scope: 'admin', whose: 'administrators' },
  'GET /api/v1/images': everybodysToRead,
  // The image of the address is one that cannot be, so that no registry is asked.
  'GET /api/v1/images/:reference': { ...everybodysToRead, status: 400 },
  'POST /api/v1/images/:reference/pull': { scope: 'submit', whose: 'callers', status: 400 },
  'GET /api/v1/images/:reference/pull': { ...everybodysToRead, status: 400 },
  'GET /api/v1/registries': everybodysToRead,
  'PUT /api/v1/registries/:registry/login': {
    scope: 'manage',
    whose: 'callers',
    status: 404,
    request: () => ({ payload: { username: 'ada', secret: 's', check: false } }),
  },
  'DELETE /api/v1/registries/:registry/login': { scope: 'manage', whose: 'callers', status: 404 },
  'GET /api/v1/jobs': everybodysToRead,
  'POST /api/v1/jobs': { scope: 'submit', whose: 'callers', status: 201, request: () => ({ payload: session }) },
  // No other's job is found: it is among the unknown.
  'POST /api/v1/jobs/wait': {
    scope: 'read',
    whose: 'callers',
    request: () => ({ payload: { ids: ['zzzzzzzz'], timeout: 0 } }),
  },
  // Streams go on: the matrix asks for one that ends at once.
  'GET /api/v1/changes': {
    scope: 'read',
    whose: 'callers',
    status: 410,
    request: () => ({ headers: { 'last-event-id': '0-0' } }),
  },
  'GET /api/v1/jobs/:id': ownToRead,
  'POST /api/v1/jobs/:id/cancel': { ...ownToManage, status: 202 },
  'GET /api/v1/jobs/:id/wait': { ...ownToRead, request: () => ({ query: { timeout: '0' } }) },
  'GET /api/v1/jobs/:id/events': ownToRead,
  'GET /api/v1/jobs/:id/why': ownToRead,
  'GET /api/v1/queue': everybodysToRead,
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
  'GET /api/v1/jobs/:id/logs': ownToRead,

  'GET /api/v1/tokens': everybodysToRead,
  'POST /api/v1/tokens': { scope: 'manage', whose: 'callers', status: 201, request: () => ({ payload: {} }) },
  // It was not made with the token that asks.
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
  'GET /skaha/VERSION/context': everybodysToRead,
  'GET /skaha/VERSION/image': everybodysToRead,
  'GET /skaha/VERSION/repository': everybodysToRead,
  'GET /skaha/VERSION/session': everybodysToRead,
  'POST /skaha/VERSION/session': { scope: 'submit', whose: 'callers', request: () => ({ query: session }) },
  'DELETE /skaha/VERSION/session': { scope: 'manage', whose: 'callers', status: 400 },
  'GET /skaha/VERSION/session/:id': ownToRead,
  'POST /skaha/VERSION/session/:id': { ...ownToManage, absent: 400, request: () => ({ query: { action: 'renew' } }) },
  'DELETE /skaha/VERSION/session/:id': { ...ownToManage, absent: 200 },
  // Headless sessions hold no applications: only the list, which is empty, tells whether the session is there.
  'GET /skaha/VERSION/session/:id/:app': ownToRead,
  'POST /skaha/VERSION/session/:id/:app': { scope: 'submit', whose: 'callers', status: 400 },
  'DELETE /skaha/VERSION/session/:id/:app': { scope: 'manage', whose: 'callers', status: 400 },
  'GET /skaha/VERSION/session/:id/:app/:appId': { scope: 'read', whose: 'callers', status: 404 },
  'POST /skaha/VERSION/session/:id/:app/:appId': { scope: 'manage', whose: 'callers', status: 400 },
  'DELETE /skaha/VERSION/session/:id/:app/:appId': { scope: 'manage', whose: 'callers', status: 404 },
  'GET /skaha/VERSION/session/:id/:app/:appId/*': { scope: 'read', whose: 'callers', status: 400 },
  'POST /skaha/VERSION/session/:id/:app/:appId/*': { scope: 'read', whose: 'callers', status: 400 },
  'DELETE /skaha/VERSION/session/:id/:app/:appId/*': { scope: 'read', whose: 'callers', status: 400 },
}
