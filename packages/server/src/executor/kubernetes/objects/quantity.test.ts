import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coresQuantity, gibibytesQuantity, parseQuantity } from './quantity.ts'

test('quantities are read as Kubernetes writes them', () => {
  const texts = ['2', '1500m', '24581684Ki', '1Gi', '1e3', '1.5', '12k', '100n', undefined]
  assert.deepEqual(texts.map(parseQuantity), [2, 1.5, 24_581_684 * 1024, 2 ** 30, 1000, 1.5, 12_000, 100 * 1e-9, 0])
  for (const text of ['', 'x', '1Q', '1 Gi']) assert.throws(() => parseQuantity(text), /is not a quantity/)
})

test('requests of jobs are written in whole units', () => {
  assert.deepEqual([coresQuantity(0.25), coresQuantity(16)], ['250m', '16000m'])
  assert.equal(gibibytesQuantity(1.5), '1610612736')
  assert.equal(parseQuantity(gibibytesQuantity(0.1)), Math.round(0.1 * 2 ** 30))
})
