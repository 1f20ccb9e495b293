import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Attempt } from './attempt.ts'

const refused = (pod: string): string =>
  `The cluster does not let it start: Error creating: pods "science-platform-a1-1-${pod}" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no. It is tried again; the operators may have to change something.`

test('what it waits for is told once, though each try of the cluster names another pod', () => {
  const attempt = new Attempt('a1-1', 'science-platform-a1-1')
  const told: number[] = []
  // The cluster tries after 1, 2, 4, 8 … seconds, later once a minute; the executor looks every two.
  const tries = ['q8wch', 'qbsh4', 'qqrsf', 'zx7vk', 'vzsfk', 'npz9z', 'rvbkd']
  for (let second = 0; second < 120; second += 2) {
    const pod = tries[Math.floor(Math.log2(second + 1))] ?? ''
    if (attempt.waits(refused(pod), second * 1000)) told.push(second)
  }
  assert.equal(told.length, 1, `told after ${told.join(', ')} s`)
})
