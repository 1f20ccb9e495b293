import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { bashCompletion, fishCompletion, zshCompletion, type CompletedCommand } from './completion-scripts.ts'

const command = (name: string, more: Partial<CompletedCommand> = {}): CompletedCommand => ({
  name,
  aliases: [],
  summary: `what ${name} does: it's this`,
  options: [],
  commands: [],
  takesIds: false,
  ...more,
})

const commands = [
  command('logs', { takesIds: true, options: [{ long: '--follow', short: '-f', description: 'go on' }] }),
  command('delete', { aliases: ['cancel'], takesIds: true }),
  command('auth', { commands: [command('login'), command('ls')] }),
]

/** What bash would offer after these words. `canfar ps` is a function that knows two ids. */
function offered(...words: string[]): string[] {
  const script = [
    'canfar() { echo k3x9a0qz; echo p8x9a0qz; }',
    bashCompletion(commands),
    `COMP_WORDS=(canfar ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _canfar`,
    'printf "%s\\n" "${COMPREPLY[@]}"',
  ].join('\n')
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n')
}

test('bash completes commands, subcommands, options and ids', () => {
  assert.deepEqual(offered('l'), ['logs'])
  assert.deepEqual(offered('auth', 'l'), ['login', 'ls'])
  assert.deepEqual(offered('logs', '--f'), ['--follow'])
  assert.deepEqual(offered('logs', 'k'), ['k3x9a0qz'])
  assert.deepEqual(offered('cancel', 'p8'), ['p8x9a0qz'])
  assert.deepEqual(offered('--json', 'auth', 'lo'), ['login'])
})

test('zsh and fish are told of every command, with quotes that hold', () => {
  assert.match(zshCompletion(commands), /'logs:what logs does\\: it'\\''s this'/)
  assert.match(zshCompletion(commands), /delete\|cancel\) candidates=\(.*\); ids=1 ;;/)
  assert.match(fishCompletion(commands), /__fish_seen_subcommand_from logs' -l follow -s f -d 'go on'/)
  assert.match(fishCompletion(commands), /-f -a delete -d 'what delete does: it'\\''s this'/)
})
