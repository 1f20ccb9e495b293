import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Platform, testImage } from '../support/platform.ts'
import { clientEnvironment, clientNames, PublishedClient } from './published-client.ts'
import { promisedCalls } from './wire-page.ts'

let platform: Platform

before(async () => {
  platform = await Platform.make('capacity: {cores: 4, memoryGb: 8}\n')
  await platform.start()
})
after(() => platform[Symbol.asyncDispose]())

describe('every method of the published libraries', () => {
  for (const name of clientNames) {
    for (const manner of ['sync', 'async']) {
      it(`${name}, ${manner}`, async () => {
        const client = await PublishedClient.install(name)
        const environment = { ...(await clientEnvironment(platform, name)), ACCEPTANCE_IMAGE: testImage }
        const { code, stdout, stderr } = await client.python(['library.py', manner], environment)
        assert.equal(code, 0, stderr)
        const told = JSON.parse(stdout.split('\n').at(-2) ?? '') as {
          client: string
          version: string
          called: string[]
        }
        assert.equal(`${told.client}-${told.version}`, name)
        // docs/wire.md lists exactly these calls of the client.
        const promised = [...promisedCalls('Library call', name)].filter(([, what]) => what.startsWith('yes'))
        assert.deepEqual(told.called, promised.map(([call]) => call).sort())
      })
    }
  }
})
