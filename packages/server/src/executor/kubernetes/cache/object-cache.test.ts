import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ObjectCache } from './object-cache.ts'

const object = (name: string, version: number) => ({ name, version })
const names = (collection: ObjectCache<{ name: string; version: number }>) =>
  [...collection.values()].map(({ name, version }) => `${name}@${version}`).toSorted()

describe('a collection', () => {
  it('takes a listing for the truth, but for what a watch has told of since', () => {
    const jobs = new ObjectCache()
    jobs.replace([object('old', 3), object('changed', 4)], 5)
    jobs.put(object('changed', 7))
    jobs.put(object('new', 8))
    const changed = jobs.replace([object('changed', 4), object('other', 6)], 6)
    assert.deepEqual(names(jobs), ['changed@7', 'new@8', 'other@6'])
    assert.deepEqual(changed.map(({ name }) => name).toSorted(), ['old', 'other'])
  })

  it('takes nothing for new that is known as new', () => {
    const jobs = new ObjectCache()
    assert.equal(jobs.put(object('one', 2)), true)
    assert.equal(jobs.put(object('one', 2)), false)
    assert.equal(jobs.put(object('one', 1)), false)
  })

  it('follows a cluster that was restored from a backup, whose versions begin anew', () => {
    const jobs = new ObjectCache()
    jobs.replace([object('kept', 90), object('gone', 95)], 100)
    jobs.replace([object('kept', 40)], 50)
    assert.deepEqual(names(jobs), ['kept@40'])
    assert.equal(jobs.put(object('kept', 41)), true)
  })
})
