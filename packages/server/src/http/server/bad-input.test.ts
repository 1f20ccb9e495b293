import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ProblemBody } from '@science-platform/contract'
import { testApp } from '../testing/test-app.ts'

const t = await testApp()
const good = { name: 'a', image: 'localhost/test:1' }
const mebibyte = 'x'.repeat(1_048_576)

const before = await t.store.logHead()

/** Checks that a refused request left no data in the store. */
async function nothingStored(): Promise<void> {
  assert.deepEqual(await t.store.notEnded(), [])
  assert.equal((await t.store.changesAfter(before, 10)).length, 0)
}

describe('bad input to /api/v1/jobs', () => {
  const cases: readonly (readonly [string, object, string, RegExp])[] = [
    ['a name with a space', { ...good, name: 'a b' }, 'name', /a-b/],
    ['a name of 64 letters', { ...good, name: 'a'.repeat(64) }, 'name', /at most 63/],
    ['a name that ends in a hyphen', { ...good, name: 'a-' }, 'name', /such as a\./],
    ['a name that grows too long with its replicas', { ...good, name: 'a'.repeat(62), replicas: 10 }, 'name', /60/],
    ['a name with a NUL byte', { ...good, name: 'a\0' }, 'name', /such as/],
    ['no name', { image: 'localhost/test:1' }, 'name', /Add name/],
    ['no image', { name: 'a' }, 'image', /Add image/],
    ['an image from elsewhere', { ...good, image: 'docker.io/evil/image:1' }, 'image', /Use one/],
    ['an image with a NUL byte', { ...good, image: 'localhost/test:1\0' }, 'image', /Use one/],
    ['an unknown kind', { ...good, kind: 'notebook' }, 'kind', /headless/],
    ['an unknown key', { ...good, memroyGb: 1 }, 'memroyGb', /memoryGb/],
    ['no cores', { ...good, cores: 0 }, 'cores', /at least 1/],
    ['half a core', { ...good, cores: 0.5 }, 'cores', /whole number/],
    ['cores as text', { ...good, cores: '2' }, 'cores', /whole number/],
    ['more cores than any node has', { ...good, cores: 17 }, 'cores', /at most 16/],
    ['more memory than any node has', { ...good, memoryGb: 65 }, 'memoryGb', /at most 64/],
    ['GPUs where there are none', { ...good, gpus: 1 }, 'gpus', /Leave gpus out/],
    ['a negative number of GPUs', { ...good, gpus: -1 }, 'gpus', /at least 0/],
    ['no replicas', { ...good, replicas: 0 }, 'replicas', /at least 1/],
    [
      'too much data over all replicas',
      { ...good, args: ['x'.repeat(100_000)], replicas: 1000 },
      'replicas',
      /file under \/arc/,
    ],
    ['an env key with a space', { ...good, env: { 'A B': '1' } }, 'env', /letter or underscore/],
    ['an empty env key', { ...good, env: { '': '1' } }, 'env', /letter or underscore/],
    ['an env key with a line break', { ...good, env: { 'A\nB': 1 } }, 'env', /letter or underscore/],
    ['an env value with a NUL byte', { ...good, env: { A: 'a\0b' } }, 'env', /NUL/],
    ['an env value that is a number', { ...good, env: { A: 1 } }, 'env.A', /string/],
    ['an env value of 1 MiB', { ...good, env: { A: mebibyte } }, 'env', /file under \/arc/],
    ['an argument of 1 MiB', { ...good, args: [mebibyte] }, 'args', /file under \/arc/],
    ['an argument with a NUL byte', { ...good, args: ['a\0b'] }, 'args', /NUL/],
    ['an argument that is a number', { ...good, args: [1] }, 'args.0', /string/],
    ['a cmd with a NUL byte', { ...good, cmd: 'a\0b', args: [] }, 'cmd', /NUL/],
    ['a blank cmd', { ...good, cmd: '   ' }, 'cmd', /Name a program/],
    ['a cmd with an open quote', { ...good, cmd: 'sh -c "echo' }, 'cmd', /quote/],
    ['a time of zero', { ...good, timeSeconds: 0 }, 'timeSeconds', /at least 1/],
    ["the machine's network", { ...good, network: 'host' }, 'network', /isolated, none/],
    ['an unknown network', { ...good, network: 'vpn' }, 'network', /isolated, none, host/],
  ]
  for (const [what, payload, field, hint] of cases) {
    it(`is refused by name: ${what}`, async () => {
      const answer = await t.as('ada', { method: 'POST', url: '/api/v1/jobs', payload })
      const problem = answer.json<ProblemBody>()
      assert.equal(answer.statusCode, 400, answer.body)
      assert.equal(problem.status, 400)
      assert.equal(problem.field, field)
      assert.ok(problem.detail.length > 0 && problem.detail.length < 400, problem.detail)
      assert.match(problem.hint ?? '', hint)
      await nothingStored()
    })
  }

  const bodies: readonly (readonly [string, string | Buffer, string, number])[] = [
    [
      'text that is not UTF-8',
      Buffer.from(JSON.stringify({ ...good, env: { A: '\u00e9' } }), 'latin1'),
      'application/json',
      400,
    ],
    ['text that is not JSON', '{"name":', 'application/json', 400],
    ['nothing', '', 'application/json', 400],
    ['a list', '[]', 'application/json', 400],
    ['a prototype', `{"name":"a","image":"localhost/a:1","__proto__":{"x":1}}`, 'application/json', 400],
    ['a hundred thousand brackets', '['.repeat(100_000), 'application/json', 400],
    ['a form', 'name=a', 'application/x-www-form-urlencoded', 415],
    ['XML', '<a/>', 'text/xml', 415],
    ['2 MB', JSON.stringify({ ...good, args: ['x'.repeat(2_000_000)] }), 'application/json', 413],
  ]
  for (const [what, payload, type, status] of bodies) {
    it(`is refused as a body: ${what}`, async () => {
      const answer = await t.as('ada', {
        method: 'POST',
        url: '/api/v1/jobs',
        payload,
        headers: { 'content-type': type },
      })
      assert.equal(answer.statusCode, status, answer.body)
      assert.ok((answer.json<ProblemBody>().hint ?? '').length > 0)
      await nothingStored()
    })
  }

  it('is refused as an Idempotency-Key', async () => {
    for (const key of ['', 'a b', 'x'.repeat(256), 'ü']) {
      const headers = { 'idempotency-key': key }
      const answer = await t.as('ada', { method: 'POST', url: '/api/v1/jobs', payload: good, headers })
      assert.equal(answer.statusCode, 400, key)
      assert.match(answer.body, /idempotency-key/i)
    }
    await nothingStored()
  })
})

describe('bad input to /skaha/v1/session', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', "Missing parameter 'image'"],
    ['name=a', "Missing parameter 'image'"],
    ['name=a&image=+', 'image is required'],
    ['name=a&image=x.y/a:1&type=bogus&cores=x', "session image 'x.y/a:1' must come from one of [images.canfar.net]"],
    ['IMG&type=bogus&cores=x', 'Invalid session type: "bogus"'],
    ['IMG&type=Notebook', 'Invalid session type: notebook. This platform runs headless sessions'],
    ['IMG&type=desktop-app', 'Invalid session type: desktop-app. This platform'],
    ['IMG&cores=x&ram=x', "Invalid value for 'cores': x"],
    ['IMG&cores=0', "Invalid value for 'cores': 0"],
    ['IMG&cores=-1', "Invalid value for 'cores': -1"],
    ['IMG&cores=1.9', "Invalid value for 'cores': 1.9"],
    ['IMG&cores=17', "Invalid value for 'cores': 17. On offer: a whole number from 1 to 16"],
    ['IMG&cores=1e1', "Invalid value for 'cores': 1e1"],
    ['IMG&ram=65&gpus=x', "Invalid value for 'ram': 65"],
    ['IMG', "Missing parameter 'name'"],
    ['IMG&name=+', "Missing parameter 'name'"],
    ['IMG&name=a_b', "name can only contain alpha-numeric chars and '-'"],
    [`IMG&name=${'a'.repeat(64)}`, 'name has 64 characters'],
    ['IMG&name=a-', 'name must start and end with a letter or digit'],
    ['IMG&name=a%00', "name can only contain alpha-numeric chars and '-'"],
    ['IMG&name=a&gpus=1', "Invalid value for 'gpus': 1. On offer: this platform has none"],
    ['IMG&name=a&env=NOVALUE', 'env has the entry "NOVALUE"'],
    ['IMG&name=a&env=A+B%3D1', 'env has the key "A B"'],
    ['IMG&name=a&env=A%3D%00', 'env A contains a NUL byte'],
    ['IMG&name=a&cmd=a%00', 'cmd contains a NUL byte'],
    ['IMG&name=a&args=a%00', 'args contains a NUL byte'],
    ['IMG&name=a&cmd=sh+-c+%22x', 'cmd cannot be split into words: the quote " at character 7 is not closed'],
    [`IMG&name=a&args=${mebibyte}`, 'args has a word of 1048576 bytes'],
    [`IMG&name=a&env=A%3D${mebibyte}`, 'env A has 1048576 bytes'],
  ]
  for (const [query, text] of cases) {
    it(`is refused in the words of the wire: ${query.slice(0, 60)}`, async () => {
      const parameters = query.replace('IMG', 'image=localhost/test:1')
      for (const version of ['v1', 'v0']) {
        const url = `/skaha/${version}/session`
        const inQuery = await t.as('ada', { method: 'POST', url: `${url}?${parameters}` })
        const headers = { 'content-type': 'application/x-www-form-urlencoded' }
        const inForm = await t.as('ada', { method: 'POST', url, payload: parameters, headers })
        for (const answer of [inQuery, inForm]) {
          assert.equal(answer.statusCode, 400, answer.body)
          assert.ok(answer.body.startsWith(text), answer.body.slice(0, 200))
          assert.match(answer.body, /^[^\n]{1,500}\n$/)
          assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8')
        }
      }
      await nothingStored()
    })
  }

  it('is refused as registry credentials', async () => {
    const url = '/skaha/v1/session?name=a&image=images.canfar.net/a/b:1'
    for (const value of [
      'x',
      'bm9jb2xvbg==',
      Buffer.from(':secret').toString('base64'),
      Buffer.from('a:\0').toString('base64'),
    ]) {
      const answer = await t.as('ada', { method: 'POST', url, headers: { 'x-skaha-registry-auth': value } })
      assert.equal(answer.statusCode, 400)
      assert.ok(answer.body.startsWith('Invalid input.  Must be in form of username:secret'), answer.body)
      const api = await t.as('ada', {
        method: 'POST',
        url: '/api/v1/jobs',
        headers: { 'x-skaha-registry-auth': value },
        payload: { name: 'a', image: 'images.canfar.net/a/b:1' },
      })
      assert.deepEqual([api.statusCode, api.json<{ field: string }>().field], [400, 'X-Skaha-Registry-Auth'])
    }
    await nothingStored()
  })
})
