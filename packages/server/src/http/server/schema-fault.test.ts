import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { JobListQuery, JobRequest } from '@science-platform/contract'
import { InvalidRequest } from '../../job/invalid.ts'
import { nearest } from './schema-fault.ts'
import { compileSchema } from './validation.ts'

const body = compileSchema({ schema: JobRequest, httpPart: 'body', method: 'POST', url: '/' })
const query = compileSchema({ schema: JobListQuery, httpPart: 'querystring', method: 'GET', url: '/' })
const fault = (result: unknown): InvalidRequest => {
  const { error } = result as { error?: unknown }
  if (!(error instanceof InvalidRequest)) assert.fail(`accepted: ${JSON.stringify(result)}`)
  return error
}
const good = { name: 'a', image: 'b/c/d:1' }

describe('a fault in a body', () => {
  const cases: readonly (readonly [string, unknown, string, RegExp, RegExp])[] = [
    ['an unknown key', { ...good, memroyGb: 8 }, 'memroyGb', /unknown key "memroyGb"/, /Did you mean memoryGb\?/],
    ['a key that is part of a known key', { ...good, memory: 8 }, 'memory', /unknown key/, /memoryGb/],
    ['a key unlike any known key', { ...good, zzzzzzzz: 8 }, 'zzzzzzzz', /unknown key/, /Known are: name, image/],
    ['nothing', {}, 'name', /the body has no name/, /Add name/],
    ['an empty name', { ...good, name: '' }, 'name', /name must not have fewer than 1/, /Give it a value/],
    ['a number as text', { ...good, cores: '2' }, 'cores', /cores must be integer; it was "2"/, /whole number/],
    ['no cores', { ...good, cores: 0 }, 'cores', /cores must be >= 1; it was 0/, /at least 1/],
    ['a part', { ...good, memoryGb: 0.1 }, 'memoryGb', /must be integer and must be >= 1; it was 0\.1/, /whole number/],
    ['too many replicas', { ...good, replicas: 10_001 }, 'replicas', /it was 10001/, /at most 10000/],
    [
      'an argument that is a number',
      { ...good, args: ['a', 1] },
      'args.1',
      /args\.1 must be string; it was 1/,
      /string/,
    ],
    [
      'args that are neither text nor a list',
      { ...good, args: 3 },
      'args',
      /args must be string or must be array; it was 3/,
      /JSON/,
    ],
    ['a variable that is a number', { ...good, env: { 'A/B': 1 } }, 'env.A/B', /env\.A\/B must be string/, /string/],
    ['another kind', { ...good, kind: 'notebook' }, 'kind', /it was "notebook"/, /Use headless/],
    ['an unknown network', { ...good, network: 'x' }, 'network', /allowed values/, /isolated, none, host/],
    ['a list', [], 'body', /the body must be object; it was \[\]/, /JSON object/],
    ['no body', undefined, 'body', /it was nothing/, /JSON object/],
    ['a long text', { ...good, name: 'x'.repeat(500) }, 'name', /it was "xxx.*…"$/, /at most 63/],
  ]
  for (const [what, value, field, message, hint] of cases) {
    it(`is named: ${what}`, () => {
      const error = fault(body(value))
      assert.equal(error.field, field)
      assert.match(error.message, message)
      assert.match(error.hint, hint)
    })
  }

  it('is not reported for a valid body, and nothing is converted or dropped', () => {
    assert.deepEqual(body({ ...good, cores: 2 }), { value: { ...good, cores: 2 } })
  })
})

describe('a query', () => {
  it('is parsed from text, with defaults', () => {
    assert.deepEqual(query({ limit: '10', state: 'queued' }), { value: { limit: 10, state: 'queued' } })
    assert.deepEqual(query({}), { value: { limit: 50 } })
    assert.deepEqual(query({ name: '007' }), { value: { name: '007', limit: 50 } })
  })

  it('is refused with the name of the field', () => {
    assert.equal(fault(query({ limit: '1.5' })).field, 'limit')
    assert.equal(fault(query({ limit: 'ten' })).field, 'limit')
    assert.equal(fault(query({ limit: ['1', '2'] })).field, 'limit')
    assert.equal(fault(query({ limit: '1001' })).hint, 'Use at most 1000.')
    assert.match(fault(query({ stat: 'queued' })).hint, /state/)
    assert.match(fault(query({ sort: 'size' })).hint, /submitted, -submitted, name, -name/)
  })
})

describe('a suggestion', () => {
  it('is made for near misses only, and quickly', () => {
    assert.equal(nearest('imgae', ['image', 'name']), 'image')
    assert.equal(nearest('memroy', ['memoryGb', 'cores']), 'memoryGb')
    assert.equal(nearest('cpu', ['cmd', 'gpus']), undefined)
    assert.equal(nearest('x'.repeat(100_000), ['image']), undefined)
  })
})
