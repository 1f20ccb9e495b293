import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TooManyQuestions, Turns } from './turns.ts'

/** A question that is answered when the test says so. */
function asked() {
  const begun: string[] = []
  const answers = new Map<string, PromiseWithResolvers<string>>()
  const find = (name: string) => (): Promise<string> => {
    begun.push(name)
    const answer = Promise.withResolvers<string>()
    answers.set(name, answer)
    return answer.promise
  }
  return { begun, find, answer: (name: string) => answers.get(name)?.resolve(name), answers }
}
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

test('a caller’s second question waits for the first; another caller’s does not', async () => {
  const turns = new Turns()
  const { begun, find, answer } = asked()
  const first = turns.take('ada', 'a', find('a'))
  const second = turns.take('ada', 'b', find('b'))
  const other = turns.take('bob', 'c', find('c'))
  await settled()
  assert.deepEqual(begun, ['a', 'c'])
  answer('a')
  assert.equal(await first, 'a')
  await settled()
  assert.deepEqual(begun, ['a', 'c', 'b'])
  answer('b')
  answer('c')
  assert.deepEqual(await Promise.all([second, other]), ['b', 'c'])
})

test('the same question is shared while it waits, and asked anew once it has begun', async () => {
  const turns = new Turns()
  const { begun, find, answer } = asked()
  const first = turns.take('ada', 'a', find('1'))
  await settled()
  const shared = [turns.take('ada', 'a', find('2')), turns.take('ada', 'a', find('3'))]
  answer('1')
  await first
  await settled()
  answer('2')
  assert.deepEqual(await Promise.all(shared), ['2', '2'])
  assert.deepEqual(begun, ['1', '2'])
})

test('a failed question does not hold up the next', async () => {
  const turns = new Turns()
  const { find, answer, answers } = asked()
  const first = turns.take('ada', 'a', find('a'))
  const second = turns.take('ada', 'b', find('b'))
  await settled()
  answers.get('a')?.reject(new Error('crashed'))
  await assert.rejects(first, /crashed/)
  await settled()
  answer('b')
  assert.equal(await second, 'b')
})

test('twenty different questions of a caller may wait, not more', async () => {
  const turns = new Turns()
  const { find, answer } = asked()
  void turns.take('ada', 'first', find('first'))
  await settled()
  const waiting = Array.from({ length: 20 }, (_, i) => turns.take('ada', `${i}`, async () => i))
  await assert.rejects(
    turns.take('ada', 'one more', async () => 0),
    TooManyQuestions,
  )
  const shared = turns.take('ada', '7', async () => 0)
  answer('first')
  assert.equal((await Promise.all(waiting)).length, 20)
  assert.equal(await shared, 7)
})
