import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { onKubernetes, Platform, testImage } from '../support/platform.ts'
import { clientEnvironment, clientsHere, PublishedClient } from './published-client.ts'

let platform: Platform

before(async () => {
  platform = await Platform.make('capacity: {cores: 8, memoryGb: 8}\n')
  await platform.start()
})
after(() => platform[Symbol.asyncDispose]())

/** Fewer on a cluster of one node, which needs over a second for each. */
const count = onKubernetes ? 64 : 256

describe(`${count} replicas over 32 connections are all accepted, numbered, and run to their end`, () => {
  for (const name of clientsHere) {
    it(name, async () => {
      const client = await PublishedClient.install(name)
      const version = name === 'skaha-1.7.0' ? 'v0' : 'v1'
      const environment = { ...(await clientEnvironment(platform, name, version)), ACCEPTANCE_IMAGE: testImage }
      const { code, stdout, stderr } = await client.python(['replicas.py', String(count), '32'], environment)
      assert.equal(code, 0, stderr)
      const ids = JSON.parse(stdout.split('\n').at(-2) ?? '') as string[]
      const jobs = await Promise.all(ids.map((id) => platform.jobs().get(id)))
      assert.equal(jobs.length, count)
      assert.deepEqual(
        jobs.filter(({ state, exitCode }) => state !== 'succeeded' || exitCode !== 0),
        [],
      )
    })
  }
})
