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

const program = command('canfar', {
  options: [{ long: '--json', description: 'for programs' }],
  commands: [
    command('logs', { takesIds: true, options: [{ long: '--follow', short: '-f', description: 'continue' }] }),
    command('delete', { aliases: ['cancel'], takesIds: true }),
    command('auth', {
      commands: [
        command('login', { options: [{ long: '--name', description: 'a name' }] }),
        command('list', { aliases: ['ls'], options: [{ long: '--long', description: 'all' }] }),
      ],
    }),
  ],
})

/** What bash would offer after these words. `canfar ps` is a function that knows two ids. */
function offered(...words: string[]): string[] {
  const script = [
    'canfar() { echo k3x9a0qz; echo p8x9a0qz; }',
    bashCompletion(program),
    `COMP_WORDS=(canfar ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _canfar`,
    'printf "%s\\n" "${COMPREPLY[@]}"',
  ].join('\n')
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n')
}

test('bash completes commands, subcommands, options and ids', () => {
  assert.deepEqual(offered('l'), ['logs'])
  assert.deepEqual(offered('auth', 'l'), ['login', 'list'])
  assert.deepEqual(offered('logs', '--f'), ['--follow'])
  assert.deepEqual(offered('logs', '--j'), ['--json'])
  assert.deepEqual(offered('logs', 'k'), ['k3x9a0qz'])
  assert.deepEqual(offered('cancel', 'p8'), ['p8x9a0qz'])
  assert.deepEqual(offered('--json', 'auth', 'lo'), ['login'])
  assert.deepEqual(offered('-o', 'json', 'auth', 'login', '--n'), ['--name'])
  assert.deepEqual(offered('auth', 'ls', '--l'), ['--long'])
  assert.deepEqual(offered('auth', 'login', '--l'), [''])
})

test('the scripts of zsh and fish have every command, with quotes that hold', () => {
  const zsh = zshCompletion(program)
  assert.match(zsh, /'logs:what logs does\\: it'\\''s this'/)
  assert.match(zsh, /"\/delete"\|"\/cancel"\) words_after=".*" ids=1 ;;/)
  const fish = fishCompletion(program)
  assert.match(fish, /-n '__fish_seen_subcommand_from logs' -l follow -s f -d 'continue'/)
  assert.match(fish, /-n '__fish_seen_subcommand_from auth; and __fish_seen_subcommand_from list ls' -l long -d 'all'/)
  assert.match(fish, /^complete -c canfar -l json -d 'for programs'$/m)
  assert.match(fish, /-f -a delete -d 'what delete does: it'\\''s this'/)
})
