import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { User } from '@science-platform/contract'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))

/** Runs the program, killed with -9 after so many milliseconds. */
const run = (words: readonly string[], timeout?: number) =>
  spawnSync(process.execPath, [main, ...words], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    killSignal: 'SIGKILL',
    ...(timeout === undefined ? {} : { timeout }),
  })
const usersIn = (data: string): User[] => JSON.parse(run(['user', 'list', '--json', '--data', data]).stdout) as User[]

async function place(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sp-import-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

test('an import killed at any moment has happened whole or not at all', async (t) => {
  const folder = await place(t)
  const names = Array.from({ length: 2_000 }, (_, i) => `user${i}`)
  await writeFile(join(folder, 'passwd'), names.map((name, i) => `${name}:x:${5_000 + i}:${5_000 + i}::/:\n`).join(''))
  await writeFile(join(folder, 'group'), `everybody:x:4000:${names.join(',')}\n`)
  const words = ['user', 'import', '--passwd', join(folder, 'passwd'), '--group', join(folder, 'group'), '--data']
  const begun = performance.now()
  assert.equal(run([...words, join(folder, 'whole')]).status, 0)
  const wholeMs = performance.now() - begun
  assert.equal(usersIn(join(folder, 'whole')).length, names.length)
  let killed = 0
  for (const share of [0.6, 0.8, 0.95]) {
    const data = join(folder, String(share))
    if (run([...words, data], Math.round(wholeMs * share)).signal === 'SIGKILL') killed += 1
    const users = usersIn(data)
    assert.ok(users.length === 0 || users.length === names.length, `${users.length} users after ${share}`)
    assert.equal(run([...words, data]).status, 0, 'and it can be done again')
    assert.equal(usersIn(data).length, names.length)
  }
  assert.ok(killed > 0)
})

test('what is exported is imported elsewhere; a dry run and a refused import write nothing', async (t) => {
  const folder = await place(t)
  const [one, other] = [join(folder, 'one'), join(folder, 'other')]
  for (const name of ['ada', 'bob']) run(['user', 'add', name, '--group', 'survey', '--data', one])
  const [passwd, group] = [join(folder, 'passwd'), join(folder, 'group')]
  await writeFile(passwd, run(['user', 'export', '--data', one]).stdout)
  await writeFile(group, run(['group', 'export', '--data', one]).stdout)
  const files = ['--passwd', passwd, '--group', group, '--data', other]
  const dry = run(['user', 'import', '--dry-run', ...files])
  assert.deepEqual([dry.status, dry.stdout.split('\n').length], [0, 4])
  assert.deepEqual(usersIn(other), [])
  assert.equal(run(['user', 'import', ...files]).status, 0)
  assert.deepEqual(usersIn(other), usersIn(one))
  assert.match(run(['user', 'import', ...files]).stderr, /exist already/)

  await writeFile(passwd, 'carol:x:6000:6000::/:\nroot:x:0:0::/:\ndaemon:x:1:1::/:\n')
  const refused = run(['user', 'import', '--json', '--passwd', passwd, '--data', other])
  assert.equal(refused.status, 1)
  const told = JSON.parse(refused.stdout) as { done: boolean; conflicts: { file: string; line: number }[] }
  assert.equal(told.done, false)
  assert.deepEqual(
    new Set(told.conflicts.map(({ file, line }) => `${file} ${line}`)),
    new Set(['passwd 2', 'passwd 3']),
  )
  assert.match(refused.stderr, /Nothing was imported/)
  const nowhere = run(['user', 'import', '--passwd', join(folder, 'nowhere'), '--data', other])
  assert.deepEqual(
    [nowhere.status, /--passwd is ".*nowhere": there is no such file\.$/m.test(nowhere.stderr)],
    [1, true],
  )
  assert.deepEqual(usersIn(other), usersIn(one))
})
