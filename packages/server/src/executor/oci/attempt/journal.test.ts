import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { AttemptSpec } from '../../executor.ts'
import { noCgroups } from '../container/cgroups.ts'
import { lostEvidence } from './ending.ts'
import { judge } from './evidence.ts'
import { parseJournal, slotOf, stages, type Stage } from './journal.ts'
import type { Machine } from '../container/machine.ts'
import { recordText } from './record.ts'
import { isSameProcess, parseIdentity, planText } from '../supervisor/supervisor.ts'
import { requireReference } from '../../../job/image-reference.ts'

const spec: AttemptSpec = {
  id: 'j-1',
  jobId: 'j',
  name: 'n',
  account: { name: 'ada', uid: 1, gid: 1, groups: [] },
  image: requireReference('localhost/i:1'),
  args: ['line\nbreak', 'ended {}', ''],
  env: { A: '\n\nsupervisor 1 2 3\n' },
  resources: { cores: { request: 1, limit: 1 }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true },
  graceSeconds: 3,
  registryAuth: 'user:secret',
}
const { registryAuth: _, ...kept } = spec
const record = { spec: { ...kept, env: {} }, imageDigest: 'sha256:x', logLimitBytes: 1000 }
const machine: Machine = {
  architecture: 'x64',
  bootId: 'boot',
  rootless: false,
  ownRoot: false,
  swap: false,
  cgroups: noCgroups,
  processors: [0, 1],
  resourceLimits: [],
}
const plan = (changes: object = {}) => ({
  record: { ...record, spec },
  runtime: 'runc',
  imageRoot: '/images/a',
  scratchFolder: '/data/scratch/j-1',
  folders: { hints: '/data/hints', rootfs: '/data/rootfs' },
  ...changes,
})

describe('the plan', () => {
  it('has a line for everything, without credentials and variables', () => {
    const text = planText(plan({ record: { ...record, spec: { ...spec, env: { DB: 'secret-word' } } } }), machine)
    assert.match(text, /^id j-1$/m)
    assert.match(text, /^lenient 1$/m)
    assert.doesNotMatch(text, /secret/)
    assert.doesNotMatch(text, /\n\n/)
  })

  it('escapes the separators of overlayfs', () => {
    assert.match(planText(plan({ imageRoot: '/a:b,c\\d' }), machine), /^lowerdir \/a\\:b\\,c\\\\d$/m)
  })

  it('rejects paths with a line break', () => {
    assert.throws(() => planText(plan({ scratchFolder: '/a\nb' }), machine), /scratch .*line break/)
  })
})

describe('the journal', () => {
  const text = planText(plan(), machine)

  it('gives the record back', () => {
    assert.deepEqual(parseJournal(text, 'prepared', 0), { record })
  })

  it('names the network slot, where the attempt has one', () => {
    assert.equal(slotOf(text), undefined)
    assert.equal(slotOf(`${planText(plan({ slot: 7 }), machine)}\nsupervisor 12 345 boot\nslot 9\n`), 7)
  })

  it('knows the supervisor, whatever the specification holds', () => {
    const { identity, end } = parseJournal(`${text}\nsupervisor 12 345 boot\n          `, 'started', 0)
    assert.deepEqual(identity, { pid: 12, startTime: '345', bootId: 'boot' })
    assert.equal(end, undefined)
  })

  it('reads the end', () => {
    const end = { ...lostEvidence(7), lost: false, status: 0 }
    const journal = parseJournal(`${text}\nsupervisor 12 345 boot\nended ${JSON.stringify(end)}\n`, 'ended', 0)
    assert.deepEqual(journal.end, end)
    assert.equal(journal.identity?.pid, 12)
  })

  it('reads kills for memory, also before the end', () => {
    const lines = `supervisor 12 345 boot\nmemory-kills 5 9 2${' '.repeat(40)}\n`
    const { memoryKills, identity, end } = parseJournal(`${text}\n${lines}          `, 'started', 0)
    assert.deepEqual(memoryKills, { firstAt: 5, lastAt: 9, count: 2 })
    assert.deepEqual([identity?.pid, end], [12, undefined])
    const none = `${text}\nsupervisor 12 345 boot\n${' '.repeat(63)}\nended ${JSON.stringify(lostEvidence(7))}\n`
    assert.deepEqual(parseJournal(none, 'ended', 0).end, lostEvidence(7))
    assert.equal(parseJournal(none, 'ended', 0).memoryKills, undefined)
  })

  it('reads an incomplete end as one that was not observed', () => {
    assert.equal(parseJournal(`${text}\nsupervisor 12 345 boot\nended {"at":`, 'ended', 9).end?.lost, true)
    assert.equal(parseJournal('', 'cleaned', 9).end?.lost, true)
    assert.equal(parseJournal(text, 'cleaned', 9).end, undefined, 'it was cleaned away before it was started')
  })

  it('can be cut anywhere', () => {
    const whole = `${text}\nsupervisor 12 345 boot\nended ${JSON.stringify(lostEvidence(1))}\n`
    fc.assert(
      fc.property(fc.nat(whole.length), fc.constantFrom(...stages), (length, stage) => {
        parseJournal(whole.slice(0, length), stage, 0)
      }),
    )
  })

  it('keeps a record on one line', () => {
    assert.doesNotMatch(recordText({ ...record, spec }), /\n|secret/)
  })

  it('has the image as text, as in journals of earlier releases', () => {
    assert.match(recordText({ ...record, spec }), /"image":"localhost\/i:1"/)
  })
})

describe('the judgement on an attempt of an earlier server', () => {
  const judged = (stage: Stage | undefined, hasEnd: boolean, supervised: boolean) =>
    judge({ stage, hasEnd, supervised })

  it('is to watch while it has a supervisor', () => {
    for (const stage of ['prepared', 'launched', 'started', 'ended'] as const)
      assert.equal(judged(stage, stage === 'ended', true), 'watch')
  })

  it('is to start again only what has certainly not run', () => {
    assert.equal(judged(undefined, false, false), 'discard')
    assert.equal(judged('prepared', false, false), 'discard')
    assert.equal(judged('cleaned', false, false), 'discard')
    for (const stage of ['launched', 'started', 'ended'] as const)
      assert.notEqual(judged(stage, false, false), 'discard')
  })

  it('is to clean up what has no supervisor', () => {
    for (const stage of ['launched', 'started', 'ended'] as const)
      assert.equal(judged(stage, stage === 'ended', false), 'clean')
    assert.equal(judged('cleaned', true, false), 'keep')
  })
})

describe('a supervisor', () => {
  const identity = { pid: 12, startTime: '345', bootId: 'boot' }
  const stat = (name: string, state: string, start: string) =>
    `12 (${name}) ${state} 1 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 ${start} 9000000 500 18446744073709551615\n`

  it('is identified by pid, start time and boot', () => {
    assert.equal(isSameProcess(identity, 'boot', stat('perl', 'S', '345')), true)
    assert.equal(isSameProcess(identity, 'boot', stat('perl', 'S', '346')), false)
    assert.equal(isSameProcess(identity, 'another boot', stat('perl', 'S', '345')), false)
    assert.equal(isSameProcess(identity, 'boot', undefined), false)
  })

  it('is dead when it is a zombie', () => {
    assert.equal(isSameProcess(identity, 'boot', stat('perl', 'Z', '345')), false)
  })

  it('may have any name', () => {
    assert.equal(isSameProcess(identity, 'boot', stat('a) S 1 (b', 'S', '345')), true)
  })

  it('is unknown when its line is incomplete', () => {
    assert.equal(parseIdentity('supervisor 12 34'), undefined)
    assert.equal(parseIdentity(''), undefined)
  })
})
