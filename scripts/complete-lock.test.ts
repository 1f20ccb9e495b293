import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missingEntries, platformOf } from './complete-lock.ts'

test('a platform is read from the name of a package', () => {
  assert.deepEqual(platformOf('@oxlint/binding-linux-arm64-musl'), { os: ['linux'], cpu: ['arm64'], libc: ['musl'] })
  assert.deepEqual(platformOf('@oxlint/binding-linux-x64-gnu'), { os: ['linux'], cpu: ['x64'], libc: ['glibc'] })
  assert.deepEqual(platformOf('@oxlint-tsgolint/darwin-arm64'), { os: ['darwin'], cpu: ['arm64'] })
  assert.deepEqual(platformOf('@oxlint/binding-win32-ia32-msvc'), { os: ['win32'], cpu: ['ia32'] })
  assert.equal(platformOf('fsevents'), undefined)
})

test('only missing entries are added, as optional and for their platform', () => {
  const lock = {
    packages: {
      'node_modules/tool': {
        dev: true,
        optionalDependencies: { 'tool-linux-x64': '1.2.3', 'tool-darwin-x64': '1.2.3' },
      },
      'node_modules/tool-linux-x64': { version: '1.2.3', optional: true },
    },
  }
  assert.deepEqual(missingEntries(lock), {
    'node_modules/tool-darwin-x64': { version: '1.2.3', os: ['darwin'], cpu: ['x64'], dev: true, optional: true },
  })
})

test('a package of unknown platform or version is refused', () => {
  const wanting = (name: string, version: string) => ({
    packages: { 'node_modules/tool': { optionalDependencies: { [name]: version } } },
  })
  assert.throws(() => missingEntries(wanting('fsevents', '2.3.3')), /fsevents .* tells no platform/)
  assert.throws(() => missingEntries(wanting('tool-linux-x64', '^1.2.3')), /not one version/)
})
