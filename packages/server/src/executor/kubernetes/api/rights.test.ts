import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { neededRights, requireRights, type RightsSettings } from './rights.ts'

interface Review {
  readonly spec: {
    readonly resourceAttributes: {
      readonly resource: string
      readonly subresource?: string
      readonly group: string
      readonly namespace?: string
    }
  }
}

/** An API server that refuses these rights and grants all others, with the reviews that it received. */
function apiWithout(...refused: readonly string[]) {
  const reviewed: string[] = []
  const create = <T>(_path: string, body: unknown): Promise<T> => {
    const { resource, subresource, group, namespace } = (body as Review).spec.resourceAttributes
    const what = [[resource, subresource].filter(Boolean).join('/'), group].filter(Boolean).join('.')
    reviewed.push(`${what} ${namespace ?? 'everywhere'}`)
    return Promise.resolve({ status: { allowed: !refused.includes(what) } } as T)
  }
  return { reviewed, create }
}
const { signal } = new AbortController()
const queue = { localQueue: 'science', priorityClasses: {}, depth: 10 }

/** The rights that these settings need beyond those that are always needed. */
async function additional(settings: RightsSettings): Promise<string[]> {
  const [least, api] = [apiWithout(), apiWithout()]
  await requireRights(least, 'jobs', signal, { usage: 'none' })
  await requireRights(api, 'jobs', signal, settings)
  return api.reviewed.filter((what) => !least.reviewed.includes(what))
}

describe('the rights that are checked at the start', () => {
  it('are those that the settings need', async () => {
    assert.deepEqual(await additional({ usage: 'none' }), [])
    assert.deepEqual(await additional({ usage: 'metrics' }), ['pods.metrics.k8s.io jobs'])
    assert.deepEqual(await additional({ usage: 'kubelet' }), ['nodes/proxy everywhere'])
    assert.deepEqual(await additional({ usage: 'none', queue }), ['localqueues.kueue.x-k8s.io jobs'])
    assert.equal(neededRights({ usage: 'metrics', queue }).length, neededRights({ usage: 'none' }).length + 2)
  })

  it('are all named where they are missing, with how to do without', async () => {
    const missing = requireRights(apiWithout('pods/log', 'nodes/proxy'), 'jobs', signal, { usage: 'kubelet' })
    await assert.rejects(missing, (error: Error) => {
      assert.match(error.message, /get pods\/log in the namespace jobs;/)
      assert.match(error.message, /get nodes\/proxy in all namespaces \(or set kubernetes\.usage .* to none/)
      assert.match(error.message, /roles of the chart/)
      return true
    })
    await assert.rejects(
      requireRights(apiWithout('pods.metrics.k8s.io'), 'jobs', signal, { usage: 'metrics' }),
      /list pods\.metrics\.k8s\.io in the namespace jobs \(or set kubernetes\.usage/,
    )
  })
})
