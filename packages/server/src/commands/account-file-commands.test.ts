import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { User } from '@science-platform/contract'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))

/** Runs the program. @param environment further variables @param modules loaded before the program */
const run = (words: readonly string[], environment: Record<string, string> = {}, modules: readonly string[] = []) =>
  spawnSync(process.execPath, [...modules.map((module) => `--import=${module}`), main, ...words], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    env: { ...process.env, ...environment },
  })

/** A module that counts the SQL statements of the program, writes their number to the file COUNT, and sends SIGKILL to the program before statement KILL. */
const statementCounter = `data:text/javascript,${encodeURIComponent(`
  import { StatementSync } from 'node:sqlite'
  import { writeFileSync } from 'node:fs'
  let count = 0
  for (const name of ['run', 'all', 'get', 'iterate']) {
    const own = StatementSync.prototype[name]
    StatementSync.prototype[name] = function (...values) {
      if (++count === Number(process.env.KILL)) process.kill(process.pid, 'SIGKILL')
      return own.apply(this, values)
    }
  }
  process.on('exit', () => writeFileSync(process.env.COUNT, String(count)))
`)}`

const usersIn = (data: string): User[] => JSON.parse(run(['user', 'list', '--json', '--data', data]).stdout) as User[]

async function place(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sp-import-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

test('an import that is killed at any moment is complete or absent', async (t) => {
  const folder = await place(t)
  const names = Array.from({ length: 500 }, (_, i) => `user${i}`)
  await writeFile(join(folder, 'passwd'), names.map((name, i) => `${name}:x:${5_000 + i}:${5_000 + i}::/:\n`).join(''))
  await writeFile(join(folder, 'group'), `everybody:x:4000:${names.join(',')}\n`)
  const words = ['user', 'import', '--passwd', join(folder, 'passwd'), '--group', join(folder, 'group'), '--data']
  const counted = join(folder, 'count')
  const imported = (data: string, kill = 0) =>
    run([...words, data], { COUNT: counted, KILL: String(kill) }, [statementCounter])
  assert.equal(imported(join(folder, 'whole')).status, 0)
  const statements = Number(await readFile(counted, 'utf8'))
  assert.ok(statements > 10, `${statements} statements`)
  const data = join(folder, 'killed')
  const found = new Set<number>()
  for (const share of [0.3, 0.6, 0.9, 1]) {
    await rm(data, { recursive: true, force: true })
    assert.equal(imported(data, Math.ceil(statements * share)).signal, 'SIGKILL')
    const database = new DatabaseSync(join(data, 'platform.db'))
    const { users } = database.prepare('select count(*) as users from accounts').get() as { users: number }
    database.close()
    found.add(users)
    assert.ok(users === 0 || users === names.length, `${users} users after ${share}`)
  }
  assert.ok(found.has(0), 'one run was killed before its commit')
  await rm(data, { recursive: true })
  assert.equal(imported(data, Math.ceil(statements * 0.6)).signal, 'SIGKILL')
  assert.equal(run([...words, data]).status, 0, 'the import can be repeated')
  assert.deepEqual(usersIn(data), usersIn(join(folder, 'whole')))
})

test('an export can be imported elsewhere; a dry run and a refused import write nothing', async (t) => {
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
