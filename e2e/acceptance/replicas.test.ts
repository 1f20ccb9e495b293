import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Platform, testImage } from '../support/platform.ts'
import { clientEnvironment, clientNames, PublishedClient } from './published-client.ts'

let platform: Platform

before(async () => {
  platform = await Platform.make('capacity: {cores: 8, memoryGb: 8}\n')
  await platform.start()
})
after(() => platform[Symbol.asyncDispose]())

describe('256 replicas over 32 connections are all accepted, numbered, and run to their end', () => {
  for (const name of clientNames) {
    it(name, async () => {
      const client = await PublishedClient.install(name)
      const version = name === 'skaha-1.7.0' ? 'v0' : 'v1'
      const environment = { ...(await clientEnvironment(platform, name, version)), ACCEPTANCE_IMAGE: testImage }
      const { code, stdout, stderr } = await client.python(['replicas.py', '256', '32'], environment)
      assert.equal(code, 0, stderr)
      const ids = JSON.parse(stdout.split('\n').at(-2) ?? '') as string[]
      const jobs = await Promise.all(ids.map((id) => platform.jobs().get(id)))
      assert.equal(jobs.length, 256)
      assert.deepEqual(
        jobs.filter(({ state, exitCode }) => state !== 'succeeded' || exitCode !== 0),
        [],
      )
    })
  }
})
