import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { problems } from '@science-platform/contract'
import { testApp } from '../testing/test-app.ts'

/** The address and the committed file of each document. */
const documents = {
  '/api/v1': new URL('../../../../contract/openapi.json', import.meta.url),
  '/skaha': new URL('../../../../contract/skaha-openapi.json', import.meta.url),
} as const
const page = new URL('../../../../../docs/problems.md', import.meta.url)

interface Operation {
  readonly operationId?: string
  readonly responses?: Readonly<Record<string, unknown>>
}

const t = await testApp()

for (const [base, document] of Object.entries(documents)) {
  describe(`the OpenAPI document of ${base}`, async () => {
    const served = (await t.app.inject(`${base}/openapi.json`)).body

    it('equals the committed file (UPDATE_OPENAPI=1 writes it)', async () => {
      if (process.env.UPDATE_OPENAPI === '1') await writeFile(document, `${served}\n`)
      assert.equal(`${served}\n`, await readFile(document, 'utf8'))
    })

    it('has every route once, with a unique id and error responses, and no dangling reference', () => {
      const { openapi, paths, components } = JSON.parse(served) as {
        openapi: string
        paths: Record<string, Record<string, Operation>>
        components: { schemas: Record<string, unknown> }
      }
      assert.equal(openapi, '3.1.0')
      const documented = Object.entries(paths).flatMap(([path, operations]) =>
        Object.keys(operations).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
      )
      // Not in the document: the document itself, the base of the wire, and addresses that are deeper than every valid one.
      const left = new Set([`${base}/openapi.json`, '/skaha'])
      const routes = t.routes
        .filter(({ url, method }) => url.startsWith(`${base}/`) && method !== 'HEAD')
        .filter(({ url }) => !left.has(url) && !url.endsWith('*'))
        .map(({ method, url }) => `${method} ${url}`)
      assert.deepEqual(documented.toSorted(), routes.toSorted())
      const operations = Object.values(paths).flatMap((path) => Object.values(path))
      assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
      for (const { responses = {} } of operations) assert.ok('4XX' in responses && '5XX' in responses)
      for (const [, name = ''] of served.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
        assert.ok(name in components.schemas, name)
      assert.equal([...served.matchAll(/"\$ref": "(?!#)/g)].length, 0)
    })
  })
}

describe('docs/problems.md', () => {
  it('has a section for each problem with its status and title, and no other section', async () => {
    const text = await readFile(page, 'utf8')
    const sections = [...text.matchAll(/^## ([a-z-]+)\n\n(\d{3}) (.+)\.\n/gm)].map(([, name, status, title]) => [
      name,
      Number(status),
      title,
    ])
    const table = Object.entries(problems).map(([name, { status, title }]) => [name, status, title])
    assert.deepEqual(sections, table)
  })
})
