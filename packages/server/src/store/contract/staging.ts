import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import type { StoredJob } from '../../job/job.ts'
import { JobIdTaken, type StoredToken } from '../store.ts'
import { audited, ids, queued, someJob, submit, token } from '../testing/some-job.ts'
import type { OpenedStore } from './opened-store.ts'

/** Submissions too large for one transaction. */
export function describeStaging(opened: OpenedStore): void {
  describe('a submission too large for one transaction', () => {
    const many = (parts: Partial<StoredJob> = {}) =>
      Array.from({ length: 1_000 }, (_, i) =>
        someJob({ arrayId: 'arr00000', taskIndex: i + 1, taskCount: 1_000, jobToken: ['read'], ...parts }),
      )
    const tokenFor = ({ id }: StoredJob, i: number): StoredToken => ({
      ...token(`t${i}`),
      jobId: id,
    })
    beforeEach(async () => {
      const user = { name: 'ada', uid: 20_000, gid: 20_000, admin: false, groups: [] }
      await opened.store.changeDirectory(() => [{ type: 'user', user }])
    })
    const submissionOf = (jobs: readonly StoredJob[]) => ({
      jobs,
      events: jobs.map(queued),
      secrets: new Map(jobs.map(({ id }) => [id, 'sealed'])),
      tokens: jobs.map(tokenFor),
    })
    /** Nothing in the store is of these jobs, and the log has no gap. */
    async function assertNothing(jobs: readonly StoredJob[]): Promise<void> {
      assert.deepEqual(await opened.store.jobsById(ids(jobs)), [])
      assert.deepEqual(await opened.store.tokens('ada'), [])
      for (const { id } of [jobs[0], jobs.at(-1)].filter((job) => job !== undefined)) {
        assert.deepEqual(await opened.store.events(id), [])
        assert.equal(await opened.store.secret(id), undefined)
      }
      const changes = await opened.store.changesAfter(0, 10_000)
      assert.deepEqual(
        changes.map(({ number }) => number),
        changes.map((_, i) => i + 1),
      )
    }

    test('lets other writes be stored before it, and is one change after them', async () => {
      const jobs = many()
      const order: string[] = []
      const large = opened.store.submit(submissionOf(jobs)).then((outcome) => {
        order.push('large')
        return outcome
      })
      for (let i = 0; i < 3; i += 1) {
        await submit(opened.store, someJob({ name: 'small' }))
        order.push('small')
      }
      const outcome = await large
      assert.equal(order[0], 'small')
      assert.ok(outcome.outcome === 'stored')
      assert.deepEqual(outcome.ids, ids(jobs))
      const changes = await opened.store.changesAfter(0, 10)
      assert.deepEqual(
        changes.map(({ number }) => number),
        // The first is of the user.
        [1, 2, 3, 4, 5],
      )
      const own = changes.find(({ tasks }) => tasks !== undefined)
      assert.deepEqual([own?.number, own?.tasks], [outcome.change, { first: 1, last: 1_000 }])
      const stored = await opened.store.tasks('arr00000', { first: 1, last: 1_000, after: 0, limit: 1_000 })
      assert.deepEqual(ids(stored), ids(jobs))
      const pages: StoredJob[] = []
      for (let last: StoredJob | undefined; pages.length < 900; last = pages.at(-1))
        pages.push(
          ...(await opened.store.tasks('arr00000', { first: 51, last: 950, after: last?.seq ?? 0, limit: 300 })),
        )
      assert.deepEqual(ids(pages), ids(jobs.slice(50, 950)))
      const { id, owner, state, arrayId } = jobs[7] ?? someJob()
      assert.deepEqual(await opened.store.glimpsesById([id, 'zzzzzzzz']), [{ id, owner, state, arrayId }])
      assert.deepEqual(
        stored.map(({ seq }) => seq - (stored[0]?.seq ?? 0)),
        jobs.map((_, i) => i),
      )
      assert.deepEqual(await opened.store.events(jobs[999]?.id ?? ''), jobs.slice(999).map(queued))
      assert.deepEqual([...(await opened.store.jobsByState())], [['queued', 1_003]])
    })

    test('leaves nothing where it is refused at last', async () => {
      const jobs = many()
      let asked = 0
      const confirm = () => {
        asked += 1
        if (asked === 2) throw new Error('no room now')
      }
      await assert.rejects(opened.store.submit({ ...submissionOf(jobs), confirm, audit: audited() }), /no room now/)
      await assertNothing(jobs)
      assert.deepEqual(await opened.store.audit({ order: 'newest-first', limit: 9 }), [])
      assert.equal((await opened.store.submit(submissionOf(jobs))).outcome, 'stored')
    })

    test('leaves nothing where a late id is taken', async () => {
      const jobs = many()
      const twin = someJob({ id: jobs[990]?.id ?? '', owner: 'bob' })
      await submit(opened.store, twin)
      await assert.rejects(opened.store.submit(submissionOf(jobs)), JobIdTaken)
      await assertNothing(jobs.toSpliced(990, 1))
      assert.deepEqual(ids(await opened.store.notEnded()), [twin.id])
    })

    test('is stored once under one key, and not beside another request with it', async () => {
      const [jobs, again, other] = [many(), many(), someJob()]
      const idempotency = { account: 'ada', key: 'k', fingerprint: 'f' }
      const outcomes = await Promise.all([
        opened.store.submit({ jobs, events: [], idempotency }),
        opened.store.submit({ jobs: again, events: [], idempotency }),
      ])
      assert.deepEqual(outcomes.map(({ outcome }) => outcome).toSorted(), ['repeated', 'stored'])
      const [one, two] = outcomes
      assert.ok(one.outcome !== 'conflict' && two.outcome !== 'conflict')
      assert.deepEqual(one.ids, two.ids)
      assert.deepEqual(ids(await opened.store.notEnded()).toSorted(), one.ids.toSorted())
      const small = { jobs: [other], events: [], idempotency: { account: 'ada', key: 'l', fingerprint: 'g' } }
      const late = opened.store.submit({
        jobs: many(),
        events: [],
        idempotency: { ...small.idempotency, fingerprint: 'f' },
      })
      assert.equal((await opened.store.submit(small)).outcome, 'stored')
      assert.deepEqual(await late, { outcome: 'conflict' })
      assert.equal((await opened.store.notEnded()).length, 1_001)
    })

    test('has all of its tokens revoked or rotated where their parent is, between two transactions', async () => {
      for (const write of ['revoke', 'rotate'] as const) {
        await opened.store.addToken(token(`parent-${write}`))
        const jobs = many({ arrayId: `arr-${write}` })
        const tokens = jobs.map(({ id }, i) => token(`${write}${i}`, { madeWith: `parent-${write}`, jobId: id }))
        // Both are written after the first transaction of the jobs.
        const stored = opened.store.submit({ jobs, events: [], tokens })
        if (write === 'revoke') await opened.store.revokeToken('parent-revoke', 5)
        else await opened.store.rotateToken('parent-rotate', token('successor', { createdAt: 2 }), 6)
        await stored
        const found = new Set<number | string | undefined>()
        for (const { hash } of tokens) {
          const { revokedAt, madeWith } = (await opened.store.tokenByHash(hash)) ?? {}
          found.add(write === 'revoke' ? revokedAt : madeWith)
        }
        assert.deepEqual([...found], [write === 'revoke' ? 5 : 'successor'])
      }
    })
  })
}
