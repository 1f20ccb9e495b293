import assert from 'node:assert/strict'
import { it } from 'node:test'
import { limits } from '@science-platform/contract'
import { InvalidRequest } from './invalid.ts'
import { normalisedDirectory } from './working-directory.ts'

it('normalises a working directory', () => {
  const stored: readonly (readonly [string, string])[] = [
    ['/', '/'],
    ['//', '/'],
    ['/.', '/'],
    ['/arc/home/ada', '/arc/home/ada'],
    ['//arc///home/./ada//', '/arc/home/ada'],
    ['/scratch/a b/é…/..hidden/...', '/scratch/a b/é…/..hidden/...'],
    [`/${'x'.repeat(limits.pathBytes - 1)}`, `/${'x'.repeat(limits.pathBytes - 1)}`],
  ]
  for (const [given, wanted] of stored) assert.equal(normalisedDirectory(given), wanted)
})

it('refuses what is no absolute path, and names the field', () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ['data', /"data".*not an absolute path/],
    ['~/data', /not an absolute path/],
    ['/arc/\0', /NUL byte/],
    ['/arc/home/ada/../bob', /contains \.\./],
    ['/..', /contains \.\./],
    [`/${'é'.repeat(limits.pathBytes)}`, /has \d+ bytes, at most 4095/],
  ]
  for (const [given, message] of refused)
    assert.throws(
      () => normalisedDirectory(given),
      (error) =>
        error instanceof InvalidRequest &&
        error.field === 'workingDirectory' &&
        message.test(error.message) &&
        error.hint !== '',
    )
})
