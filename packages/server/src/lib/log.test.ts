import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newToken } from './secrets/token-text.ts'
import { createLog } from './log.ts'

const { token } = newToken()
const secrets = [token, 'hunter2']

function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  let text = ''
  write(createLog('trace', { write: (line: string) => void (text += line) }))
  for (const secret of secrets) assert.ok(!text.includes(secret), text)
  return text
}

test('what is not known to be harmless is left out by its name', () => {
  const line = logged((log) => {
    log.info(
      { jobId: 'k3x9a0qz', env: { PASSWORD: 'hunter2' }, headers: { authorization: token }, state: ['queued'] },
      'x',
    )
  })
  const { jobId, env, headers, state } = JSON.parse(line) as Record<string, unknown>
  assert.deepEqual([jobId, env, headers, state], ['k3x9a0qz', '(not logged)', '(not logged)', ['queued']])
})

test('of an error there is its name, its words without secrets, its code and its causes, and nothing that it carries', () => {
  const cause = Object.assign(new TypeError(`cannot pull docker://ada:hunter2@host/x`), { code: 'EPULL', token })
  const error = Object.assign(new Error(`token ${token} is bad`, { cause }), { headers: { authorization: token } })
  const line = logged((log) => {
    log.error({ err: error }, 'failed')
  })
  const { err } = JSON.parse(line) as {
    err: { type: string; message: string; stack: string; cause: Record<string, string> }
  }
  assert.deepEqual(Object.keys(err), ['type', 'message', 'stack', 'cause'])
  assert.equal(err.message, `token ${token.slice(0, 9)}… is bad`)
  assert.match(err.stack, /log\.test\.ts/)
  assert.deepEqual(
    [err.cause.type, err.cause.code, err.cause.message],
    ['TypeError', 'EPULL', 'cannot pull docker://…@host/x'],
  )
})

test('what was thrown in place of an error, and circles, are survived', () => {
  const circle = new Error('a')
  circle.cause = circle
  const text = logged((log) => {
    log.error({ err: { password: 'hunter2' } }, 'thrown')
    log.error({ err: 'hunter2' }, 'thrown')
    log.error({ err: circle }, 'circle')
  })
  assert.equal(text.trim().split('\n').length, 3)
})

test('a text is one line, whatever is in it', () => {
  const text = logged((log) => {
    log.warn({ hint: 'a\r\n{"level":60,"msg":"forged"}\u0000' }, 'b')
  })
  assert.equal(text.split('\n').length, 2)
  assert.equal((JSON.parse(text) as { msg: string }).msg, 'b')
})
