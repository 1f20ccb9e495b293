import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Job } from '@science-platform/contract'
import { firstRows, parseCatalogue, usageTable } from './results.ts'

const examples = new URL('../../examples/source-extractor/catalogues/', import.meta.url)

test('the catalogues of the example have the known detections', () => {
  for (const [name, sources] of [
    ['ccd', 28],
    ['image_M12c', 943],
  ] as const) {
    const { columns, rows } = parseCatalogue(readFileSync(new URL(`${name}.cat`, examples), 'utf8'))
    assert.equal(rows.length, sources)
    assert.equal(
      columns.join(' '),
      'NUMBER X_IMAGE Y_IMAGE FLUX_AUTO FLUXERR_AUTO MAG_AUTO FWHM_IMAGE ELLIPTICITY FLAGS',
    )
    assert.ok(rows.every((row) => row.length === columns.length))
  }
})

test('the first rows fit a terminal', () => {
  const shown = firstRows(parseCatalogue(readFileSync(new URL('image_M12c.cat', examples), 'utf8')), 3)
  assert.equal(shown.split('\n').length, 4)
  assert.ok(shown.split('\n').every((line) => line.length <= 80))
})

test('used and requested resources are shown, and unknown usage as such', () => {
  const job = {
    name: 'extract-1',
    state: 'succeeded',
    exitCode: 0,
    resources: { cores: { request: 1, limit: 1 }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true },
    startedAt: '2026-11-23T08:00:00.000Z',
    endedAt: '2026-11-23T08:00:01.500Z',
    usage: { cpuSeconds: 1.23, memoryPeakBytes: 45 * 2 ** 20 },
  } as Job
  assert.deepEqual(usageTable([job]).split('\n'), [
    '  job            state  exit code    ran  CPU time  cores  memory  asked',
    '  extract-1  succeeded          0  1.5 s     1.2 s      1  45 MiB  1 GiB',
  ])
  const { usage: _, ...unmeasured } = job
  assert.match(usageTable([unmeasured]), /1\.5 s {9}\? {6}1 {7}\? {2}1 GiB$/)
})
