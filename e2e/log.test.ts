import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, Platform } from './support/platform.ts'

test('the log as text: an unreachable registry is one line, and the last line before an exit is written', async () => {
  await using platform = await Platform.make('log: {format: text}\nimages: {registries: ["127.0.0.1:1"]}\n')
  await platform.start()
  await eventually('the registry to be found unreachable', async () => platform.log.includes('127.0.0.1:1'))
  assert.equal(await platform.stop(), 0)
  await eventually('the last line', async () => platform.log.includes('signal=SIGTERM'))
  const lines = platform.log.trimEnd().split('\n')
  for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z (INFO |WARN ) \S/)
  const [about] = lines.filter((line) => line.includes('127.0.0.1:1'))
  assert.match(
    about ?? '',
    /WARN {2}registry cannot be listed, its last list stays registry=127\.0\.0\.1:1 failure=".*ECONNREFUSED.*" hint="Check the network, and .*"$/,
  )
  assert.match(lines.at(-1) ?? '', /INFO {2}stopping; jobs continue to run signal=SIGTERM$/)
})
