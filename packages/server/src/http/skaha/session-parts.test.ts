import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { contextOf } from '../../job/resources.ts'
import { someJob } from '../../store/testing/some-job.ts'
import { dialects, isVisible, statesOf } from './dialect.ts'
import { eventsTable } from './events-table.ts'
import { Parameters } from './parameters.ts'
import { sessionRecord } from './session-record.ts'
import { sessionRequest } from './session-request.ts'
import { platformStats } from './stats.ts'
import { availabilityDocument, capabilitiesDocument, sessionCapabilities } from './vosi.ts'
import { requireReference } from '../../job/image-reference.ts'

const ada = { uid: 1001, gid: 1002, groups: [{ name: 'survey', gid: 2001 }] }

describe('parameters', () => {
  it('have names in any case; the first value counts, in the query before the form', () => {
    const parameters = new Parameters(new URLSearchParams('Name=a&ENV=A%3D1&env=B=2=3&cmd='), [
      ['name', 'b'],
      ['Env', 'C='],
      ['cmd', 'x'],
    ])
    assert.equal(parameters.first('name'), 'a')
    assert.deepEqual(parameters.all('env'), ['A=1', 'B=2=3', 'C='])
    assert.equal(parameters.first('cmd'), '')
    assert.equal(parameters.text('cmd'), undefined)
    assert.equal(parameters.first('image'), undefined)
  })
})

describe('the words for states', () => {
  it('are those of the reference server in v1 and those of the batch guide in v0', () => {
    const states = ['held', 'queued', 'starting', 'running', 'stopping', 'succeeded', 'failed', 'cancelled'] as const
    const words = (version: 'v0' | 'v1') => states.map((state) => dialects[version].words[state])
    const same = ['Pending', 'Pending', 'Pending', 'Running', 'Terminating']
    assert.deepEqual(words('v1'), [...same, 'Completed', 'Failed', undefined])
    assert.deepEqual(words('v0'), [...same, 'Succeeded', 'Failed', 'Terminated'])
  })

  it('are filters in any case, and so are earlier words', () => {
    const table: readonly (readonly [string, readonly string[], readonly string[]])[] = [
      ['pending', ['held', 'queued', 'starting'], ['held', 'queued', 'starting']],
      ['RUNNING', ['running'], ['running']],
      ['Terminating', ['stopping'], ['stopping']],
      ['Succeeded', ['succeeded'], ['succeeded']],
      ['Completed', ['succeeded'], ['succeeded']],
      ['Error', ['failed'], ['failed']],
      ['Failed', ['failed'], ['failed']],
      ['Terminated', [], ['cancelled']],
      ['nonsense', [], []],
    ]
    for (const [word, v1, v0] of table) {
      assert.deepEqual(statesOf(word, dialects.v1), v1, word)
      assert.deepEqual(statesOf(word, dialects.v0), v0, word)
    }
    assert.ok(!statesOf(undefined, dialects.v1).includes('cancelled'))
    assert.ok(statesOf(undefined, dialects.v0).includes('cancelled'))
  })

  it('do not exist for cancelled sessions in v1, nor for deleted ones in any version', () => {
    assert.equal(isVisible({ state: 'cancelled' }, dialects.v1), false)
    assert.equal(isVisible({ state: 'cancelled' }, dialects.v0), true)
    assert.equal(isVisible({ state: 'cancelled', removedAt: 1 }, dialects.v0), false)
    assert.equal(isVisible({ state: 'succeeded', removedAt: 1 }, dialects.v1), false)
  })
})

describe('a session record', () => {
  it('has numbers as text, times with Z, and no unknown fields', () => {
    const waiting = sessionRecord(someJob({ id: 'abcdefgh', name: 'n' }), ada, dialects.v1, undefined, 'It waits.')
    assert.deepEqual(waiting, {
      id: 'abcdefgh',
      userid: 'ada',
      runAsUID: '1001',
      runAsGID: '1002',
      supplementalGroups: [2001],
      image: 'localhost/test:1',
      type: 'headless',
      status: 'Pending',
      name: 'n',
      connectURL: '',
      requestedGPUCores: '0',
      isFixedResources: false,
      reason: 'It waits.',
    })
    const inV0 = sessionRecord(someJob({ submittedAt: 5000 }), ada, dialects.v0, undefined, undefined)
    assert.deepEqual([inV0.startTime, inV0.expiryTime], ['1970-01-01T00:00:05Z', undefined])
    const resources = {
      cores: { request: 1.5, limit: 1.5 },
      memoryGb: { request: 16, limit: 16 },
      gpus: 2,
      fixed: true,
    }
    const job = someJob({
      state: 'running',
      resources,
      startedAt: Date.parse('2026-01-01T00:00:05.999Z'),
      timeSeconds: 60,
    })
    const running = sessionRecord(job, undefined, dialects.v1, { cores: 0.0034, memoryBytes: 110_000_000 }, undefined)
    const { startTime, expiryTime, requestedRAM, requestedCPUCores, requestedGPUCores, ramInUse, cpuCoresInUse } =
      running
    assert.deepEqual(
      [startTime, expiryTime, requestedRAM, requestedCPUCores, requestedGPUCores, ramInUse, cpuCoresInUse],
      ['2026-01-01T00:00:05Z', '2026-01-01T00:01:05Z', '17.18', '1.500', '2', '0.11', '0.003'],
    )
    assert.deepEqual([running.runAsUID, running.supplementalGroups, running.isFixedResources], ['', [], true])
    const renewed = sessionRecord(
      { ...job, deadlineAt: Date.parse('2026-02-01T00:00:00Z') },
      ada,
      dialects.v1,
      undefined,
      undefined,
    )
    assert.equal(renewed.expiryTime, '2026-02-01T00:00:00Z')
  })

  it('has the cause of the end', () => {
    const cause = { code: 'exited', message: 'The command ended with 3.' } as const
    const record = sessionRecord(
      someJob({ state: 'failed', exitCode: 3, cause }),
      ada,
      dialects.v0,
      undefined,
      undefined,
    )
    assert.deepEqual([record.status, record.exitCode, record.cause], ['Failed', 3, cause])
  })
})

describe('the table of events', () => {
  const event = (at: number, message: string, reason = 'R') =>
    ({ jobId: 'x', at, type: 'Normal', reason, message }) as const

  it('is <none> without events', () => {
    assert.equal(eventsTable([]), '<none>\n')
  })

  it('has a heading and five cells in columns; equal events are one row', () => {
    const table = eventsTable([event(0, 'pulling'), event(1000, 'started'), event(61_000, 'pulling')])
    assert.deepEqual(table.split('\n'), [
      'TYPE     REASON   MESSAGE   FIRST-TIME             LAST-TIME',
      'Normal   R        pulling   1970-01-01T00:00:00Z   1970-01-01T00:01:01Z',
      'Normal   R        started   1970-01-01T00:00:01Z   1970-01-01T00:00:01Z',
      '',
    ])
  })

  it('is split into the same cells by clients, for any message', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(), fc.string({ unit: 'binary' }), fc.string()), { maxLength: 6 }),
        (rows) => {
          const lines = eventsTable(rows.map(([at, message, reason]) => event(at, message, reason))).split('\n')
          for (const line of lines.slice(1, -1)) assert.equal(line.trim().split(/ {2,}/).length, 5, line)
        },
      ),
    )
  })
})

describe('a session request', () => {
  const context = contextOf({ cores: 4, memoryGb: 8, gpus: 2 }, 5)
  const ask = (query: string) => sessionRequest(new Parameters(new URLSearchParams(query)), context, requireReference)

  it('is parsed as the published clients send it', () => {
    const query =
      'name=n&image=images.canfar.net%2Fskaha%2Fastroml%3Alatest&cores=2&ram=4&type=headless&gpus=1&cmd=python' +
      '&args=%2Fa.py+-n+1&env=A%3Db%3Dc+d&env=REPLICA_ID%3D1&env=REPLICA_COUNT%3D1&env=EMPTY%3D'
    assert.deepEqual(ask(query), {
      name: 'n',
      image: { registry: 'images.canfar.net', path: 'skaha/astroml', tag: 'latest' },
      cores: 2,
      memoryGb: 4,
      gpus: 1,
      cmd: 'python',
      args: '/a.py -n 1',
      env: { A: 'b=c d', REPLICA_ID: '1', REPLICA_COUNT: '1', EMPTY: '' },
    })
  })

  it('accepts options for the queue, which no published client sends', () => {
    const of = (query: string) =>
      sessionRequest(
        new Parameters(new URLSearchParams(`name=a&image=a&${query}`)),
        contextOf({ cores: 4, memoryGb: 4, gpus: 0 }, 5),
        () => ({ registry: 'localhost', path: 'a', tag: 'latest' }),
      )
    assert.deepEqual(of('time=60&when=off-peak&after=2026-11-24T18:00Z&group=survey&gpukind=a100&signal=USR1@5&by='), {
      name: 'a',
      image: { registry: 'localhost', path: 'a', tag: 'latest' },
      timeSeconds: 60,
      when: 'off-peak',
      after: '2026-11-24T18:00Z',
      group: 'survey',
      gpuKind: 'a100',
      signal: 'USR1@5',
    })
    assert.throws(() => of('time=long'), /timeSeconds must be integer; it was "long"/)
    assert.throws(() => of('when=night'), /when must be equal/)
  })

  it('may omit optional parameters, or leave them blank', () => {
    const image = { registry: 'localhost', path: 'i', tag: '1' }
    const least = 'name=n&image=localhost/i:1'
    assert.deepEqual(ask(least), { name: 'n', image })
    assert.deepEqual(ask(`${least}&type=&cores=&ram=+&gpus=&cmd=&args=&unknown=1`), { name: 'n', image })
    assert.deepEqual(ask(`${least}&gpus=0&cores=2.0&type=HEADLESS`), {
      name: 'n',
      image,
      gpus: 0,
      cores: 2,
    })
  })
})

describe('documents about the server', () => {
  it('contain scheme, host and port, and stay well formed', () => {
    const document = capabilitiesDocument('http://127.0.0.1:8080/a&b/skaha', sessionCapabilities)
    assert.match(document, /<accessURL use="base">http:\/\/127\.0\.0\.1:8080\/a&amp;b\/skaha\/v1\/session<\/accessURL>/)
    assert.match(document, /platform#session-1/)
    assert.match(document, /<securityMethod standardID="ivo:\/\/ivoa\.net\/sso#token"\/>/)
    assert.match(availabilityDocument(undefined), /<vosi:available>true<\/vosi:available>/)
    assert.match(availabilityDocument('<away>'), /<vosi:available>false<\/vosi:available>\s*<vosi:note>&lt;away&gt;/)
  })

  it('have the units of the reference server', () => {
    const stats = platformStats(
      { cores: 1.5, memoryGb: 4, gpus: 1 },
      { cores: 16, memoryGb: 64, gpus: 2, largest: { cores: 8, memoryGb: 32 } },
    )
    assert.deepEqual(stats, {
      cores: { requestedCPUCores: 1.5, cpuCoresAvailable: 16, maxCPUCores: { cpuCores: 8, withRam: '32Gi' } },
      ram: { requestedRAM: '4.295G', ramAvailable: '68.719G', maxRAM: { ram: '32Gi', withCPUCores: 8 } },
      gpu: { requestedGPU: 1, gpuAvailable: 2 },
    })
  })
})
