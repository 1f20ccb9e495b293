import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HostAgents } from './exchange.ts'

describe('the connections to registries', () => {
  it('stay open for the last hosts alone, however many hosts registries redirect to', async () => {
    const agents = new HostAgents(async () => [])
    const first = await agents.of('host-0.test')
    assert.equal(await agents.of('host-0.test'), first)
    for (let i = 0; i < 1000; i++) await agents.of(`host-${i}.test`)
    assert.equal(agents.size, 32)
    assert.notEqual(await agents.of('host-0.test'), first)
  })

  it('are tried again after certificates could not be read', async () => {
    let readable = false
    const agents = new HostAgents(async () => {
      if (!readable) throw new Error('EACCES')
      return []
    })
    await assert.rejects(agents.of('a.test'), /EACCES/)
    readable = true
    assert.ok(await agents.of('a.test'))
  })
})
