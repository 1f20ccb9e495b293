import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { InvalidRequest } from '../job/invalid.ts'
import type { StoredJob } from '../job/job.ts'
import { contextOf, resourcesFor } from '../job/resources.ts'
import { someJob } from '../store/testing/some-job.ts'
import { requireFeasible } from './rules/admission.ts'
import { OffPeakHours } from '../configuration/policy/off-peak.ts'
import { expectedRunTime } from './cache/expected-run-time.ts'
import { needsOf, queuedJobOf } from './cache/planned-job.ts'
import { classOf } from './rules/job-class.ts'
import { Planner } from './planner/planner.ts'
import { defaultPolicy, policyOf } from '../configuration/policy/policy-of.ts'
import { defaultTimeSeconds } from '../job/submission.ts'
import { RunHistories } from './cache/run-histories.ts'
import { type QuotaSettings, type Policy, weekdays } from '../configuration/policy/policy.ts'
import { type ActiveJob, emptySnapshot, type PlanNode } from './cache/snapshot.ts'

const hour = 3_600_000
const now = Date.parse('2026-11-23T12:00Z')
/** The time limit of a job without `--time`. */

const page = await readFile(new URL('../../../../docs/queue.md', import.meta.url), 'utf8')
const chapter = /^## Predict it\n([^]*?)(?=^## )/m.exec(page)?.[1] ?? ''
/** A bold title, sentences about the machines, and a table. */
const examples = [...chapter.matchAll(/^\*\*(.*?)\*\*([^|]*)\n\n((?:\|.*\n)+)/gm)]

/** The cells of a table's lines by the titles of their columns. */
function rowsOf(table: string): readonly ReadonlyMap<string, string>[] {
  const [titles = [], , ...lines] = table
    .trim()
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  return lines.map((cells) => new Map(titles.map((title, i) => [title.replaceAll('`', ''), cells[i] ?? ''])))
}

const nodesIn = (text: string): PlanNode[] =>
  [...text.matchAll(/[Mm]achine(?: (\w+))? has (\d+) cores(?: and|,) (\d+) GiB(?: and (\d+) GPUs)?/g)].map(
    ([, name = 'machine', cores, memoryGb, gpus = 0]) => ({
      name,
      cores: Number(cores),
      memoryGb: Number(memoryGb),
      gpus: Number(gpus),
    }),
  )

const activeIn = (text: string): ActiveJob[] =>
  [
    ...text.matchAll(/(\w+) runs (\d+) cores and (\d+) GiB(?: on (\w+))?(?: in the name of (\w+))? for (\d+) h more/g),
  ].map(([, user = '', cores, memoryGb, node = 'machine', group, hours], i) => ({
    id: `running ${i}`,
    seq: i - 1000,
    submittedAt: now,
    user,
    ...(group === undefined ? {} : { group }),
    needs: { cores: Number(cores), memoryGb: Number(memoryGb), gpus: 0 },
    estimateSeconds: Number(hours) * 3600,
    limitSeconds: Number(hours) * 3600,
    node,
    placedAt: now,
  }))

function policyIn(text: string): Policy {
  const [, cores, offPeakCores] = /A user may hold (\d+) cores(?:, off-peak (\d+))?/.exec(text) ?? []
  const [, from, to] = /off-peak from (\d\d:\d\d) to (\d\d:\d\d)/.exec(text) ?? []
  const off = offPeakCores === undefined ? {} : { offPeak: { cores: Number(offPeakCores) } }
  return policyOf({
    limits: { user: cores === undefined ? {} : { cores: Number(cores), ...off }, group: {} },
    ...(from === undefined || to === undefined
      ? {}
      : { offPeak: { days: weekdays, from, to, weekends: false, timezone: 'UTC' } }),
  })
}

const groupsIn = (text: string): Map<string, QuotaSettings> =>
  new Map(
    [...text.matchAll(/The group (\w+) may hold (\d+) cores/g)].map(([, name = '', cores]) => [
      name,
      { limits: { cores: Number(cores) } },
    ]),
  )

/** The job of a line, as the store has it after its submission. */
function jobOf(row: ReadonlyMap<string, string>, seq: number, nodes: readonly PlanNode[]): StoredJob {
  const cell = (title: string): string => row.get(title) ?? ''
  const amount = (title: string): number | undefined => (cell(title) === '' ? undefined : Number(cell(title)))
  const largest = (key: 'cores' | 'memoryGb' | 'gpus'): number => Math.max(...nodes.map((node) => node[key]))
  const time = cell('--time')
  return someJob({
    id: cell('job'),
    seq,
    owner: cell('user'),
    cmd: [cell('job')],
    resources: resourcesFor(
      { cores: amount('cores'), memoryGb: amount('GiB'), gpus: amount('GPUs') },
      contextOf({ cores: largest('cores'), memoryGb: largest('memoryGb'), gpus: largest('gpus') }, 5),
    ),
    timeSeconds: time === '' ? defaultTimeSeconds : Number.parseFloat(time) * 3600,
    ...(time === '' ? {} : { timeIsAsked: true as const }),
    submittedAt: now - Number.parseFloat(cell('waited') || '0') * hour,
    ...(cell('group') === '' ? {} : { group: cell('group') }),
    ...(cell('--when') === '' ? {} : { when: 'off-peak' }),
  })
}

/** What past runs with the job's fingerprint say. */
function expectationOf(row: ReadonlyMap<string, string>, job: StoredJob) {
  const histories = new RunHistories()
  const runs = (row.get('past runs') ?? '').split(', ').filter(Boolean)
  for (const run of runs) histories.add(job, { endedAt: now, seconds: Number.parseFloat(run) * 3600 })
  return expectedRunTime({
    limitSeconds: job.timeSeconds,
    isLimitGiven: job.timeIsAsked === true,
    history: histories.expectation(job)?.seconds,
    ofClass: histories.ofClass(classOf(needsOf(job), defaultPolicy)),
    confidence: defaultPolicy.backfill.confidence,
  })
}

describe('the examples of docs/queue.md', () => {
  it('are there', () => {
    assert.equal(examples.length, 11)
  })

  for (const [, title = '', sentences = '', table = ''] of examples) {
    it(title, () => {
      const text = sentences.replaceAll(/\s+/g, ' ')
      const [nodes, policy, groups] = [nodesIn(text), policyIn(text), groupsIn(text)]
      const offPeak = policy.offPeak && new OffPeakHours(policy.offPeak)
      const settingsOf = ({ name }: { readonly name: string }): QuotaSettings | undefined => groups.get(name)
      const rows = rowsOf(table)
      const expected = rows.map((row) => ({ points: row.get('points'), happens: row.get('what happens') ?? '' }))
      const jobs = rows.map((row, seq) => jobOf(row, seq, nodes))
      const isRefused = (job: StoredJob): boolean => {
        try {
          requireFeasible(job, { nodes, policy, offPeak, settingsOf })
          return false
        } catch (error) {
          assert.ok(error instanceof InvalidRequest)
          return true
        }
      }
      const planner = new Planner({
        ...emptySnapshot(now, policy),
        nodes,
        groups,
        active: activeIn(text),
        queued: jobs.flatMap((job, i) =>
          isRefused(job) ? [] : [queuedJobOf(job, expectationOf(rows[i] ?? new Map(), job))],
        ),
        usage: jobs.map(({ owner }, i) => ({ user: owner, coreHours: Number(rows[i]?.get('used')), at: now })),
      })
      const [, cores, memoryGb] = /at most (\d+) cores and (\d+) GiB on one node/.exec(text) ?? []
      if (cores !== undefined) {
        const largest = { cores: Number(cores), memoryGb: Number(memoryGb), gpus: 0 }
        assert.deepEqual(planner.largestFree(), [largest])
      }
      const points = jobs.map(({ id }) => planner.priorityOf(id, now)?.total)
      assert.deepEqual(
        points.map((each) => (each === undefined ? '' : String(Math.round(each)))),
        expected.map((each) => each.points),
      )
      planner.plan(now)
      const outcomes = jobs.map(({ id }, i) => {
        const reason = planner.reasonOf(id, now)
        if (reason === undefined) return 'refused'
        if (reason.kind !== 'placed') return reason.kind
        return expected[i]?.happens.includes(' on ') === true ? `starts on ${reason.node}` : 'starts'
      })
      assert.deepEqual(
        outcomes,
        expected.map(({ happens }) => happens),
      )
    })
  }
})
