import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ObjectCache } from './object-cache.ts'

const object = (name: string, version: number) => ({ name, version })
const names = (cache: ObjectCache<{ name: string; version: number }>) =>
  [...cache.values()].map(({ name, version }) => `${name}@${version}`).toSorted()

describe('an object cache', () => {
  it('takes the content of a listing, and keeps what a watch reported after it', () => {
    const jobs = new ObjectCache()
    jobs.replace([object('old', 3), object('changed', 4)], 5)
    jobs.upsert(object('changed', 7))
    jobs.upsert(object('new', 8))
    const changed = jobs.replace([object('changed', 4), object('other', 6)], 6)
    assert.deepEqual(names(jobs), ['changed@7', 'new@8', 'other@6'])
    assert.deepEqual(changed.map(({ name }) => name).toSorted(), ['old', 'other'])
  })

  it('reports no change for a version that it has, or an older one', () => {
    const jobs = new ObjectCache()
    assert.equal(jobs.upsert(object('one', 2)), true)
    assert.equal(jobs.upsert(object('one', 2)), false)
    assert.equal(jobs.upsert(object('one', 1)), false)
  })

  it('follows a cluster that was restored from a backup, whose versions go back', () => {
    const jobs = new ObjectCache()
    jobs.replace([object('kept', 90), object('gone', 95)], 100)
    jobs.replace([object('kept', 40)], 50)
    assert.deepEqual(names(jobs), ['kept@40'])
    assert.equal(jobs.upsert(object('kept', 41)), true)
  })
})
