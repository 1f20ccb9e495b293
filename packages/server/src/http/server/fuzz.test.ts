import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { InjectOptions } from 'fastify'
import fc from 'fast-check'
import { testApp } from '../testing/test-app.ts'

type Method = 'GET' | 'POST' | 'DELETE' | 'PUT' | 'HEAD'

const t = await testApp()
const mine = await t.submit('ada')

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '',
    ' ',
    '0',
    '-1',
    '1',
    '2',
    '1e9',
    '\0',
    '../..',
    '%',
    '%zz',
    '$(id)',
    '<a>',
    'headless',
    mine,
    'true',
  ),
)
const id = fc.oneof(fc.constant(mine), text.map(encodeURIComponent))

/** A value of any JSON kind, often a valid one. */
const anything = fc.oneof(text, fc.jsonValue({ maxDepth: 2 }), fc.integer({ min: -2, max: 20 }))

const wireNames = [
  'name',
  'image',
  'type',
  'cores',
  'ram',
  'gpus',
  'cmd',
  'args',
  'env',
  'view',
  'action',
  'status',
  'x',
]
const parameters = fc
  .array(
    fc.tuple(
      fc.constantFrom(...wireNames),
      fc.oneof(text, fc.constantFrom('localhost/a:1', 'stats', 'all', 'renew', 'A=b')),
    ),
  )
  .map((pairs) => new URLSearchParams(pairs).toString())

const wire: fc.Arbitrary<InjectOptions> = fc
  .record({
    method: fc.constantFrom<Method>('GET', 'POST', 'DELETE', 'PUT', 'HEAD'),
    version: fc.constantFrom('v1', 'v0'),
    path: fc.oneof(
      fc.constantFrom('session', 'image', 'context', 'repository', 'capabilities', 'availability'),
      id.map((id) => `session/${id}`),
      fc.tuple(id, id).map(([id, app]) => `session/${id}/app/${app}`),
    ),
    query: parameters,
    payload: fc.option(parameters, { nil: undefined }),
    auth: fc.option(
      text.map((one) => Buffer.from(one).toString('base64')),
      { nil: undefined },
    ),
  })
  .map(({ method, version, path, query, payload, auth }) => ({
    method,
    url: `/skaha/${version}/${path}?${query}`,
    ...(payload === undefined || method !== 'POST' ? {} : { payload }),
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(auth === undefined ? {} : { 'x-skaha-registry-auth': auth }),
    },
  }))

const requestKeys = [
  'name',
  'image',
  'kind',
  'cmd',
  'args',
  'env',
  'cores',
  'memoryGb',
  'gpus',
  'replicas',
  'network',
  'graceSeconds',
  'labels',
  'workingDirectory',
]
const body = fc.tuple(
  fc.constantFrom({}, { name: 'a', image: 'localhost/a:1' }),
  fc.dictionary(fc.constantFrom(...requestKeys, 'x'), anything, { maxKeys: 3 }),
)
const job = body.map(([good, other]) => ({ ...good, ...other }))
const selection = fc.dictionary(fc.constantFrom('ids', 'label', 'prefix', 'owner', 'dryRun', 'x'), anything, {
  maxKeys: 2,
})
const api: fc.Arbitrary<InjectOptions> = fc.oneof(
  fc
    .oneof(
      fc.record({
        url: fc.constant('/batch'),
        value: fc.record({ jobs: fc.array(fc.oneof(job, anything), { maxLength: 3 }) }),
      }),
      fc.record({ url: fc.constant('/cancel'), value: fc.oneof(selection, fc.constant({ ids: [mine, mine] })) }),
      fc.record({ url: fc.constantFrom('/batch', '/cancel', '/wait'), value: fc.jsonValue() }),
    )
    .map(({ url, value }) => ({
      method: 'POST' as const,
      url: `/api/v1/jobs${url}`,
      payload: JSON.stringify(value),
      headers: { 'content-type': 'application/json' },
    })),
  fc
    .oneof(
      job.map((value) => JSON.stringify(value)),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc.string(),
    )
    .map((payload) => ({
      method: 'POST' as const,
      url: '/api/v1/jobs',
      payload,
      headers: { 'content-type': 'application/json' },
    })),
  fc.record({
    method: fc.constantFrom<Method>('GET', 'POST', 'DELETE', 'HEAD'),
    url: fc
      .tuple(
        fc.oneof(
          fc.constantFrom('/jobs', '/account', '/images', '/openapi.json'),
          fc.tuple(id, fc.constantFrom('', '/events', '/logs', '/cancel')).map(([id, what]) => `/jobs/${id}${what}`),
        ),
        fc.dictionary(
          fc.constantFrom('state', 'name', 'limit', 'cursor', 'sort', 'attempt', 'array', 'label', 'fields'),
          text,
          {
            maxKeys: 2,
          },
        ),
      )
      .map(([path, query]) => `/api/v1${path}?${new URLSearchParams(query).toString()}`),
    headers: fc.record({ range: fc.oneof(fc.constant('bytes=0-1'), fc.stringMatching(/^[ -~]{0,12}$/)) }),
  }),
)

describe('arbitrary requests', () => {
  for (const [name, requests] of [
    ['/skaha', wire],
    ['/api/v1', api],
  ] as const) {
    it(`of ${name}, the server does not fail, and names the fault`, async () => {
      await fc.assert(
        fc.asyncProperty(requests, async (request) => {
          const answer = await t.as('ada', request)
          assert.ok(answer.statusCode < 500, `${answer.statusCode} ${answer.body}`)
          if (answer.statusCode < 400 || request.method === 'HEAD') return
          if (name === '/skaha') assert.match(answer.body, /^[^\n]+\n$/)
          else assert.equal(answer.json<{ status: number }>().status, answer.statusCode)
        }),
        { numRuns: 400 },
      )
    })
  }
})
