import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { recordingServer } from '@science-platform/client/testing/recording-server'
import { splitWords } from '@science-platform/contract/shell-words'
import type { Command } from 'commander'
import { completed } from './commands/setup/completion.ts'
import { bashCompletion, fishCompletion, zshCompletion } from './output/completion-scripts.ts'
import { createProgram, splitCommandLine } from './program.ts'
import { runCanfar } from './testing/run-canfar.ts'

const program = await createProgram({ words: ['completion'], command: [] })

/** A command below the program, and the words that lead to it. */
interface Found {
  readonly path: string
  readonly command: Command
}
const commandsBelow = (parent: Command, path = ''): Found[] =>
  parent.commands.flatMap((command) => {
    const own = `${path} ${command.name()}`.trim()
    return [{ path: own, command }, ...commandsBelow(command, own)]
  })
const found = commandsBelow(program)
/** Commands that do something, and do not only hold others. */
const runnable = found.filter(
  ({ path, command }) => command.commands.length === 0 || ['auth', 'auth token'].includes(path),
)

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) })
  command.outputHelp()
  return text
}

test('there are commands to look at', () => {
  assert.ok(runnable.length > 30, runnable.map(({ path }) => path).join(', '))
})

for (const { path, command } of runnable)
  test(`the help of ${path} fits 80 columns and ends with examples, which are command lines that it takes`, async () => {
    const text = helpOf(command)
    const [, examples = ''] = /\nExamples?:\n((?: {2}canfar .*\n)+)$/.exec(text) ?? []
    assert.ok(examples.includes(`canfar ${path}`), text)
    for (const line of text.split('\n')) assert.ok(line.length <= 80, line)
    for (const example of examples.trim().split('\n')) {
      // What the shell makes of a line is not for canfar to read.
      const [line = ''] = example.replaceAll(/\$\(.*?\)/g, 'k3x9a0qz').split(/ (?:&&|<|>) /)
      const split = splitWords(line.trim())
      assert.ok('words' in split)
      const { words, command: afterDashes } = splitCommandLine(split.words.slice(1))
      const parsed = await createProgram({ words, command: afterDashes })
      let ran = 0
      for (const { command: each } of commandsBelow(parsed)) each.action(() => void (ran += 1))
      await parsed.parseAsync(words, { from: 'user' })
      assert.equal(ran, 1, example)
    }
  })

test('every option that takes a value shows one in its help', () => {
  const silent = found.flatMap(({ path, command }) =>
    command.options
      .filter(({ required, optional, argChoices }) => (required || optional) && argChoices === undefined)
      .filter(({ description }) => !/such as|the same as/.test(description))
      .map(({ flags }) => `${path} ${flags}`),
  )
  assert.deepEqual(silent, [])
})

test('every command and every option is in the completion scripts', () => {
  const description = completed(program)
  const [zsh, fish] = [zshCompletion(description), fishCompletion(description)]
  const lines = found.flatMap(({ path, command }) =>
    command.options.filter(({ hidden }) => !hidden).map(({ long }) => ({ path, option: long ?? '' })),
  )
  const script = [
    'canfar() { :; }',
    bashCompletion(description),
    ...lines.map(({ path, option }) => {
      const words = `canfar ${path} ${option}`.split(' ')
      return `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _canfar; echo "\${COMPREPLY[*]}"`
    }),
  ].join('\n')
  const offered = execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trimEnd().split('\n')
  for (const [index, { path, option }] of lines.entries()) {
    assert.ok(offered[index]?.split(' ').includes(option), `bash offers no ${option} after ${path}`)
    assert.match(zsh, new RegExp(`"/${path.replaceAll(' ', '/')}".*words_after=".*${option}[ "]`))
    const seen = path.split(' ').map((word) => `__fish_seen_subcommand_from ${word}[^']*`)
    assert.match(fish, new RegExp(`-n '${seen.join('; and ')}' -l ${option.slice(2)} `))
  }
  for (const { path, command } of found) assert.match(fish, new RegExp(` -a ${command.name()} `), path)
})

const cleanups: (() => Promise<void>)[] = []
after(async () => {
  for (const cleanup of cleanups) await cleanup()
})

/** What each command is run with. */
const commandLines: Readonly<Record<string, readonly string[]>> = {
  create: ['headless', 'skaha/x'],
  ps: [],
  info: ['a1'],
  logs: ['a1'],
  events: ['a1'],
  why: ['a1'],
  wait: ['a1'],
  delete: ['a1'],
  prune: ['study'],
  renew: ['a1'],
  open: ['n1'],
  stats: ['a1'],
  queue: [],
  'image ls': [],
  'image info': ['skaha/x:1'],
  'image pull': ['skaha/x:1'],
  'registry login': ['r.test', '-u', 'ada', '--password-stdin'],
  'registry logout': ['r.test'],
  'registry list': [],
  login: ['--server', 'SERVER', '--token-stdin'],
  auth: [],
  'auth login': ['--server', 'SERVER', '--token-stdin'],
  'auth token': [],
  'auth token create': [],
  'auth token list': [],
  'auth token rotate': ['sp_1'],
  'auth token revoke': ['sp_1'],
  'auth show': [],
  'auth ls': [],
  'auth use': ['mine'],
  'auth rm': ['mine', '-f'],
  'auth purge': ['-f'],
  'server ls': [],
  'server use': ['mine'],
  'config show': [],
  'config get': ['active.server'],
  'config set': ['console.banner', 'true'],
  'config path': [],
  version: [],
}
/** Commands whose output is for a shell or a person, and has no JSON. */
const withoutJson = ['completion', 'help']

const session = { id: 'n1', name: 'n', type: 'notebook', status: 'Running', image: 'i', connectURL: 'https://x.test/' }
const job = { id: 'a1', name: 'n', state: 'succeeded', exitCode: 0, resources: {}, attempts: [] }
const token = { id: 't1', prefix: 'sp_1', name: 'n', scopes: [], createdAt: '2026-11-23T08:00:00Z', token: 'sp_1abc' }
const pull = { reference: 'images.canfar.net/skaha/x:1', state: 'present' }
const answers: Readonly<Record<string, string | object>> = {
  'POST /api/v1/jobs': { ids: ['a1'] },
  'GET /api/v1/jobs/a1': job,
  'POST /api/v1/jobs/wait': { ended: [{ id: 'a1' }], unknown: [] },
  'GET /api/v1/jobs/a1/logs': 'hello\n',
  'GET /api/v1/jobs/a1/events': { events: [] },
  'GET /api/v1/jobs/a1/why': { id: 'a1' },
  'GET /api/v1/queue': { nodes: 1 },
  'GET /api/v1/images/images.canfar.net%2Fskaha%2Fx%3A1': { reference: pull.reference },
  'POST /api/v1/images/images.canfar.net%2Fskaha%2Fx%3A1/pull': pull,
  'GET /api/v1/registries': { registries: [] },
  'PUT /api/v1/registries/r.test/login': { registry: 'r.test', username: 'ada', checked: true },
  'GET /api/v1/tokens': { tokens: [token] },
  'POST /api/v1/tokens': token,
  'POST /api/v1/tokens/t1/rotate': token,
  'DELETE /api/v1/tokens/t1': token,
  'GET /skaha/v1/session': [session],
  'GET /skaha/v1/session/a1': { ...session, id: 'a1', type: 'headless' },
  'GET /skaha/v1/session/n1': session,
  'DELETE /skaha/v1/session/a1': '',
  'DELETE /skaha/v1/session/n1': '',
  'POST /skaha/v1/session/a1': '',
  'GET /skaha/v1/image': [],
  'DELETE /api/v1/registries/r.test/login': 'nothing',
  'GET /api/v1/openapi.json': { openapi: '3.1.0' },
}

test('every command that prints data prints JSON with --json, and nothing else on stdout', async () => {
  assert.deepEqual(
    runnable.map(({ path }) => path).toSorted(),
    [...Object.keys(commandLines), ...withoutJson].toSorted(),
  )
  const server = await recordingServer(({ method, url }) => {
    const body = answers[`${method} ${url.split('?')[0]}`]
    return body === 'nothing' ? { status: 204 } : { body: body ?? '' }
  })
  cleanups.push(() => server.close())
  const check = async (path: string, words: readonly string[]): Promise<void> => {
    const home = await mkdtemp(join(tmpdir(), 'canfar-'))
    cleanups.push(() => rm(home, { recursive: true }))
    await mkdir(join(home, '.canfar'))
    const configuration = {
      version: 2,
      active: { authentication: 'mine', server: 'mine' },
      authentication: { mine: { mode: 'oidc', token: { access: 't' }, expiry: { access: 4_102_444_800 } } },
      servers: { mine: { idp: 'mine', url: `${server.url}/skaha`, version: 'v1' } },
    }
    await writeFile(join(home, '.canfar', 'config.yaml'), JSON.stringify(configuration))
    const line = [...path.split(' '), ...words.map((word) => word.replace('SERVER', server.url)), '--json']
    const { code, stdout, stderr } = await runCanfar(home, line, { input: 'secret\n' })
    assert.equal(code, 0, `${line.join(' ')}: ${stderr}`)
    assert.doesNotThrow(() => void JSON.parse(stdout), `${line.join(' ')} prints ${stdout}`)
  }
  const waiting = Object.entries(commandLines)
  await Promise.all(
    [1, 2, 3].map(async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await check(...next)
    }),
  )
})
