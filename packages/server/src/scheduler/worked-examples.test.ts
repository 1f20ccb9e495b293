import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { Planner } from './planner.ts'
import { policyOf } from './policy.ts'
import type { ActiveJob, QueuedJob, Usage } from './snapshot.ts'

const hour = 3_600_000
const now = Date.parse('2026-11-23T12:00Z')
/** What a job may run that asks for no `--time`. */
const longestSeconds = 1_209_600

const page = await readFile(new URL('../../../../docs/queue.md', import.meta.url), 'utf8')
const chapter = /^## Foretell it\n([^]*?)(?=^## )/m.exec(page)?.[1] ?? ''
/** A bold beginning, the words about the machine, and a table. */
const examples = [...chapter.matchAll(/^\*\*(.*?)\*\*([^|]*)\n\n((?:\|.*\n)+)/gm)]

interface Row {
  readonly job: string
  readonly user: string
  readonly happens: string
  readonly points: number
  readonly usedCoreHours: number
  readonly queued: QueuedJob
}

/** What is set aside where nothing is asked for is one of each (job/resources.ts). */
const amountOf = (text = ''): number => (text === '' ? 1 : Number(text))

function rowOf(line: string, seq: number): Row {
  const cells = line.split('|').map((cell) => cell.trim())
  const [, job = '', user = '', cores, memoryGb, time = '', waited = '', used, points, happens = ''] = cells
  const limitSeconds = time === '' ? longestSeconds : Number.parseFloat(time) * 3600
  return {
    job,
    user,
    happens,
    points: Number(points),
    usedCoreHours: Number(used),
    queued: {
      id: job,
      user,
      needs: { cores: amountOf(cores), memoryGb: amountOf(memoryGb), gpus: 0 },
      estimateSeconds: limitSeconds,
      limitSeconds,
      seq,
      submittedAt: now - Number.parseFloat(waited) * hour,
    },
  }
}

describe('the examples of docs/queue.md', () => {
  it('are there', () => {
    assert.equal(examples.length, 5)
  })

  for (const [, title = '', words = '', table = ''] of examples) {
    it(title, () => {
      const text = words.replaceAll(/\s+/g, ' ')
      const [, cores, memoryGb] = /machine has (\d+) cores and (\d+) GB/.exec(text) ?? []
      const active = [...text.matchAll(/(\w+) runs (\d+) cores and (\d+) GB for (\d+) h more/g)].map(
        ([, user = '', held, gb, hours], i): ActiveJob => ({
          id: `running ${i}`,
          user,
          needs: { cores: Number(held), memoryGb: Number(gb), gpus: 0 },
          estimateSeconds: Number(hours) * 3600,
          limitSeconds: Number(hours) * 3600,
          node: 'machine',
          placedAt: now,
        }),
      )
      const [, limit] = /A user may hold (\d+) cores/.exec(text) ?? []
      const rows = table.trim().split('\n').slice(2).map(rowOf)
      const usage = [...new Map(rows.map((row) => [row.user, row])).values()].map(({ user, usedCoreHours }): Usage => ({
        user,
        coreHours: usedCoreHours,
        at: now,
      }))
      const planner = new Planner({
        now,
        policy: policyOf({ limits: { user: limit === undefined ? {} : { cores: Number(limit) }, group: {} } }),
        nodes: [{ name: 'machine', cores: Number(cores), memoryGb: Number(memoryGb), gpus: 0 }],
        active,
        queued: rows.map(({ queued }) => queued),
        usage,
        users: new Map(),
        groups: new Map(),
        served: new Map(),
        reservations: [],
      })
      const points = rows.map(({ job }) => Math.round(planner.priorityOf(job, now)?.total ?? Number.NaN))
      assert.deepEqual(
        points,
        rows.map((row) => row.points),
      )
      planner.plan(now)
      const outcomes = rows.map(({ job }) => planner.reasonOf(job, now)?.kind)
      assert.deepEqual(
        outcomes.map((kind) => (kind === 'placed' ? 'starts' : kind)),
        rows.map(({ happens }) => happens),
      )
    })
  }
})
