import {
  ImageRecord,
  limits,
  PlatformContext,
  PlatformStats,
  SessionGlimpse,
  SessionRecord,
} from '@science-platform/contract'
import Type, { type TSchema } from 'typebox'
import type { Dialect } from './dialect.ts'
import { labelPattern } from './label.ts'
import { sessionKinds } from './session-request.ts'

const described = (type: string, schema: TSchema, description: string) => ({
  description,
  content: { [type]: { schema } },
})
const json = (description: string, schema: TSchema) => described('application/json', schema, description)
const text = (description: string) => described('text/plain', Type.String(), description)
const xml = (description: string) => described('text/xml', Type.String(), description)

const refusals = { '4xx': text('One line of text'), '5xx': text('One line of text') } as const

/** Schemas that the OpenAPI document names. */
export const wireSchemas = [SessionRecord, SessionGlimpse, PlatformStats, PlatformContext, ImageRecord]

const named = (schema: TSchema): TSchema => Type.Ref(String((schema as { $id?: string }).$id))

const Session = Type.Object({
  id: Type.String({ pattern: labelPattern.source, maxLength: 63, minLength: 1, examples: ['k3x9a0qz'] }),
})
const App = Type.Object({ ...Session.properties, app: Type.String({ minLength: 1, examples: ['app'] }) })
const AppById = Type.Object({ ...App.properties, appId: Type.String({ minLength: 1 }) })

/** A blank value counts as absent. */
const orBlank = (schema: TSchema): TSchema => Type.Union([schema, Type.String({ pattern: '^\\s*$' })])

const kind = orBlank(Type.Enum([...sessionKinds]))

const CreateQuery = Type.Object({
  name: Type.String({
    minLength: 1,
    maxLength: limits.nameLength,
    description: 'Letters, digits and hyphens; starts and ends with a letter or digit.',
    examples: ['nightly-reduction'],
  }),
  image: Type.String({ minLength: 1, examples: ['images.canfar.net/skaha/astroml:latest'] }),
  type: Type.Optional(orBlank(Type.Enum(['headless'], { description: 'The reference server has more types.' }))),
  cores: Type.Optional(
    orBlank(Type.Integer({ minimum: 1, maximum: limits.cores, description: 'A size that /context offers.' })),
  ),
  ram: Type.Optional(
    orBlank(Type.Integer({ minimum: 1, maximum: limits.memoryGb, description: 'GiB, a size that /context offers.' })),
  ),
  gpus: Type.Optional(orBlank(Type.Integer({ minimum: 0, maximum: limits.gpus }))),
  cmd: Type.Optional(Type.String({ description: 'The program; left out or empty: the entry point of the image.' })),
  args: Type.Optional(Type.String({ description: 'Its arguments, split by shell rules.' })),
  env: Type.Optional(
    Type.Array(Type.String({ examples: ['THREADS=4'] }), {
      description: 'KEY=VALUE, one parameter for each variable.',
    }),
  ),
})

/**
 * The OpenAPI operations of one version of the wire. They do not validate: the wire checks parameters itself, in the order
 * and with the texts of the reference server. Parameters may also come as a form, with names in any case.
 */
export const operationsOf = (version: string, dialect: Dialect) => {
  const words = [...new Set(Object.values(dialect.words).filter((word) => word !== undefined))]
  const operation = <T extends object>(name: string, summary: string, rest: T) => ({
    operationId: `${version}.${name}`,
    summary,
    ...rest,
  })
  return {
    createSession: operation('createSession', 'Submit a job', {
      description: 'The parameters may also come as a form, urlencoded or multipart. Unknown parameters are ignored.',
      querystring: CreateQuery,
      headers: Type.Object({
        'X-Skaha-Registry-Auth': Type.Optional(
          Type.String({ description: 'user:secret for the registry of the image, in base64.' }),
        ),
      }),
      response: { 200: text('The id of the session, and a line feed'), ...refusals },
    }),
    listSessions: operation('listSessions', 'Your sessions, the sessions of all users, or the load of the platform', {
      querystring: Type.Object({
        view: Type.Optional(
          Type.String({
            description: 'stats, all or interactive. Any other value: your own sessions.',
            examples: ['stats', 'all'],
          }),
        ),
        type: Type.Optional(Type.String({ examples: ['headless'] })),
        status: Type.Optional(Type.String({ description: `In any case: ${words.join(', ')}.`, examples: [words[0]] })),
      }),
      response: {
        200: json(
          'Your sessions; with view=all a summary of the sessions of all users; with view=stats the load of the platform',
          Type.Union([Type.Array(Type.Union([named(SessionRecord), named(SessionGlimpse)])), named(PlatformStats)]),
        ),
        ...refusals,
      },
      links: {
        200: {
          session: { operationId: `${version}.getSession`, parameters: { id: '$response.body#/0/id' } },
          renew: { operationId: `${version}.renewSession`, parameters: { id: '$response.body#/0/id' } },
          delete: { operationId: `${version}.deleteSession`, parameters: { id: '$response.body#/0/id' } },
        },
      },
    }),
    deleteSessions: operation('deleteSessions', 'Refused: the address must name a session', { response: refusals }),
    getSession: operation('getSession', 'One session, its log or its events', {
      params: Session,
      querystring: Type.Object({
        view: Type.Optional(
          Type.String({ description: 'logs or events. Any other value: the session.', examples: ['logs', 'events'] }),
        ),
      }),
      response: {
        200: {
          description: 'The session as JSON; with view=logs or view=events, text',
          content: {
            'application/json': { schema: named(SessionRecord) },
            'text/plain': { schema: Type.String() },
          },
        },
        ...refusals,
      },
    }),
    renewSession: operation('renewSession', 'Restart the time limit of a running session', {
      params: Session,
      querystring: Type.Object({ action: Type.Enum(['renew']) }),
      response: { 200: text('The time limit is restarted; no body'), ...refusals },
    }),
    deleteSession: operation('deleteSession', 'Cancel a session, or remove an ended one from the list', {
      params: Session,
      response: { 200: text('The session is deleted or does not exist; no body'), ...refusals },
    }),
    listApps: operation('listApps', 'Applications in a session: headless sessions have none', {
      params: App,
      response: { 200: json('None', Type.Array(Type.Unknown(), { maxItems: 0 })), ...refusals },
    }),
    createApp: operation('createApp', 'Refused: headless sessions have no applications', {
      params: App,
      response: refusals,
    }),
    deleteApps: operation('deleteApps', 'Refused', { params: App, response: refusals }),
    getApp: operation('getApp', 'Not found', { params: AppById, response: refusals }),
    modifyApp: operation('modifyApp', 'Refused', { params: AppById, response: refusals }),
    deleteApp: operation('deleteApp', 'Not found', { params: AppById, response: refusals }),
    listImages: operation('listImages', 'Images that sessions may use', {
      querystring: Type.Object({ type: Type.Optional(kind) }),
      response: { 200: json('The images', Type.Array(named(ImageRecord))), ...refusals },
    }),
    getContext: operation('getContext', 'Sizes on offer', {
      response: { 200: json('The sizes', named(PlatformContext)), ...refusals },
    }),
    listRepositories: operation('listRepositories', 'Registries that images may come from', {
      response: { 200: json('Their hosts', Type.Array(Type.String())), ...refusals },
    }),
    ...vosiOperations(version),
  } as const
}

/** The OpenAPI operations of the two VOSI routes, with or without a version in their ids. */
export const vosiOperations = (version?: string) => {
  const id = (name: string) => (version === undefined ? name : `${version}.${name}`)
  return {
    getCapabilities: {
      operationId: id('getCapabilities'),
      summary: 'Capabilities of this service, with their addresses (VOSI 1.1)',
      security: [],
      response: { 200: xml('The document'), ...refusals },
    },
    getAvailability: {
      operationId: id('getAvailability'),
      summary: 'Availability of this service (VOSI 1.1)',
      security: [],
      querystring: Type.Object({
        detail: Type.Optional(Type.String({ description: 'min: only the status.', examples: ['min'] })),
      }),
      response: { 200: xml('The document'), 503: xml('With detail=min: not available'), ...refusals },
    },
  } as const
}

export type Operations = ReturnType<typeof operationsOf>
