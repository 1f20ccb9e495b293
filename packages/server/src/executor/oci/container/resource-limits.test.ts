import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { hardLimits, mayRaiseLimits, resourceLimits, unlimited } from './resource-limits.ts'

const of = (limits: ReturnType<typeof resourceLimits>, name: string) => {
  const found = limits.find(({ type }) => type === `RLIMIT_${name}`)
  return [found?.soft, found?.hard]
}

test('a job has the limits of the platform, whatever those of the server are', () => {
  const limits = resourceLimits(1_048_576, undefined)
  assert.deepEqual(of(limits, 'NOFILE'), [1024, 1_048_576])
  assert.deepEqual(of(limits, 'CORE'), [0, unlimited])
  assert.deepEqual(of(limits, 'AS'), [unlimited, unlimited])
  assert.deepEqual(of(resourceLimits(65_536, undefined), 'NOFILE'), [1024, 65_536])
})

test('without the right to raise limits, no limit is above the hard limits of the server', () => {
  const text = [
    'Limit                     Soft Limit           Hard Limit           Units     ',
    'Max core file size        0                    0                    bytes     ',
    'Max open files            512                  512                  files     ',
    'Max address space         unlimited            unlimited            bytes     ',
  ].join('\n')
  const limits = resourceLimits(1_048_576, hardLimits(text))
  assert.deepEqual(of(limits, 'NOFILE'), [512, 512])
  assert.deepEqual(of(limits, 'CORE'), [0, 0])
  assert.deepEqual(of(limits, 'AS'), [unlimited, unlimited])
})

test('no limit is the largest number of 64 bits in the configuration of the runtime', () => {
  assert.equal(JSON.stringify({ hard: unlimited }), '{"hard":18446744073709551615}')
})

test('limits are raised with CAP_SYS_RESOURCE alone', () => {
  assert.equal(mayRaiseLimits('CapEff:\t000001ffffffffff\n'), true)
  assert.equal(mayRaiseLimits('CapEff:\t00000000a80425fb\n'), false)
  assert.equal(mayRaiseLimits(''), false)
})

test('every limit that the platform sets is in /proc/PID/limits', () => {
  const known = hardLimits(readFileSync('/proc/self/limits', 'utf8'))
  for (const { type } of resourceLimits(1, undefined)) assert.ok(known.has(type), type)
})
