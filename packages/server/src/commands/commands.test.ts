import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sp-commands-'))
after(() => rmSync(folder, { recursive: true }))

const run = (...words: readonly string[]) =>
  spawnSync(process.execPath, [main, ...words, '--data', folder], { encoding: 'utf8' })

/** The output of a refused command on standard error. */
function refusal(...words: readonly string[]): string {
  const { status, stdout, stderr } = run(...words)
  assert.deepEqual([status, stdout], [1, ''], stderr)
  return stderr
}

test('an invalid option is refused with its name, its value and a hint', () => {
  assert.equal(run('user', 'add', 'ada', '--group', 'survey').status, 0)
  assert.equal(
    refusal('limit', 'set', 'user', 'ada', '--cores', 'many'),
    'science-platform: --cores is "many"\nfix: Give a number or none.\n',
  )
  assert.equal(
    refusal('limit', 'set', 'user', 'ada', '--weight', ''),
    'science-platform: --weight is ""\nfix: Give a number or none.\n',
  )
  assert.match(refusal('user', 'add', 'Ada'), /^science-platform: name is "Ada"\nfix: Use a lower-case letter/)
  assert.match(refusal('user', 'add', 'ada'), /^science-platform: There is a user ada already\.\nfix: /)
  assert.match(refusal('token', 'create', 'bob'), /^science-platform: There is no user bob\. Add one: /)
  assert.match(refusal('token', 'create', 'ada', '--expires', 'soon'), /--expires takes .* such as 30d; it was "soon"/)
  assert.match(refusal('audit', 'list', '--since', 'yesterday'), /--since takes an instant such as .* "yesterday"/)
})

test('audit list prints lines that fit a terminal, with refusals and their number', () => {
  const { stdout } = run('audit', 'list')
  const lines = stdout.trim().split('\n')
  assert.match(lines[0] ?? '', /^SEQ +TIME +ACTOR +ACTION +FROM +OUTCOME +SUBJECT$/)
  assert.match(lines.at(-1) ?? '', /^1 +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ +\S+ +user add +command +done +ada$/)
  assert.ok(
    lines.some((line) => / user add +command +refused +Ada$/.test(line)),
    stdout,
  )
  assert.ok(
    lines.every((line) => line.length <= 80),
    stdout,
  )
})
