import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { styleText } from 'node:util'
import { newToken } from './secrets/token-text.ts'
import { createLog, loggable } from './log.ts'

const { token } = newToken()
const secrets = [token, 'hunter2']

let scratch: string
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sp-log-'))
})
after(() => rm(scratch, { recursive: true }))

function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  let text = ''
  write(createLog('trace', { write: (line: string) => void (text += line) }))
  for (const secret of secrets) assert.ok(!text.includes(secret), text)
  return text
}

test('a field outside the list of loggable fields is dropped', () => {
  const line = logged((log) => {
    log.info(
      { jobId: 'k3x9a0qz', env: { PASSWORD: 'hunter2' }, headers: { authorization: token }, state: ['queued'] },
      'x',
    )
  })
  const { jobId, env, headers, state } = JSON.parse(line) as Record<string, unknown>
  assert.deepEqual([jobId, env, headers, state], ['k3x9a0qz', '(not logged)', '(not logged)', ['queued']])
})

test('an error is logged with its name, message without secrets, code and causes, and no other property', () => {
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

test('thrown values that are no errors, and circular causes, can be logged', () => {
  const circle = new Error('a')
  circle.cause = circle
  const text = logged((log) => {
    log.error({ err: { password: 'hunter2' } }, 'thrown')
    log.error({ err: 'hunter2' }, 'thrown')
    log.error({ err: circle }, 'circle')
  })
  assert.equal(text.trim().split('\n').length, 3)
})

test('a record is one line, whatever its texts contain', () => {
  const text = logged((log) => {
    log.warn({ hint: 'a\r\n{"level":60,"msg":"forged"}\u0000' }, 'b')
  })
  assert.equal(text.split('\n').length, 2)
  assert.equal((JSON.parse(text) as { msg: string }).msg, 'b')
})

test('every field that the sources log is on the list', () => {
  const root = new URL('..', import.meta.url)
  const files = globSync('**/*.ts', { cwd: root.pathname, exclude: ['**/*.test.ts', '**/testing/**'] })
  const logged = files.flatMap((file) => {
    const calls = readFileSync(new URL(file, root), 'utf8').matchAll(
      /\b#?log(?:\[\w+\])?\??\.?(?:trace|debug|info|warn|error|fatal)?\(\s*\{([^{}]*)([{}])/g,
    )
    return [...calls].flatMap(([, fields = '', brace]) =>
      // An object in the object would hide its fields from this test.
      brace === '{'
        ? [{ file, name: `{${fields}{` }]
        : [...fields.matchAll(/(?:^|,)\s*(\w+)/g)].map(([, name = '']) => ({ file, name })),
    )
  })
  assert.ok(logged.length > 20, `found ${logged.length} fields only`)
  assert.deepEqual(
    logged.filter(({ name }) => name !== 'err' && !loggable.has(name)),
    [],
  )
})

/** Runs a script with `log` in a new process and returns its stdout and stderr; optionally on a terminal. */
async function runLogging(
  script: string,
  options: { format?: string; terminal?: boolean; env?: Record<string, string> } = {},
): Promise<{ code: number | null; text: string }> {
  const file = join(scratch, `${(scripts += 1)}.mjs`)
  const module = new URL('./log.ts', import.meta.url).href
  await writeFile(
    file,
    `import { openLog } from ${JSON.stringify(module)}
     const log = openLog({ level: 'info', format: ${JSON.stringify(options.format)} })
     const many = () => { for (let count = 1; count <= ${many}; count++) log.info({ count }, 'record') }
     ${script}`,
  )
  const command = [process.execPath, file]
  const [program = '', ...args] = options.terminal
    ? ['script', '--quiet', '--return', '--command', command.join(' '), '/dev/null']
    : command
  const { NO_COLOR: _, ...inherited } = process.env
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...inherited, ...options.env } })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
      if (part.includes('ready')) child.kill('SIGTERM')
    })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, text }
}

const many = 5_000
let scripts = 0

const endings: Readonly<Record<string, readonly [script: string, code: number]>> = {
  'its work is done': ['many()', 0],
  'process.exit': ['many(); process.exit(3)', 3],
  'an uncaught exception': ['setImmediate(() => { many(); throw new Error("boom") })', 1],
  'an unhandled rejection': ['many(); Promise.reject(new Error("boom"))', 1],
  SIGTERM: [
    'const timer = setInterval(() => {}, 1000); process.once("SIGTERM", () => { many(); clearInterval(timer) }); console.log("ready")',
    0,
  ],
}
for (const [what, [script, exitCode]] of Object.entries(endings))
  test(`no record is lost when a process ends by ${what}`, async () => {
    const { code, text } = await runLogging(script)
    assert.equal(code, exitCode)
    const counts = text.split('\n').flatMap((line) => {
      const found = /^\{.*"count":(\d+),"msg":"record"\}$/.exec(line)
      return found === null ? [] : [Number(found[1])]
    })
    assert.deepEqual(
      counts,
      Array.from({ length: many }, (_, index) => index + 1),
    )
  })

test('above 8 MiB of pending records further records are dropped, and the log reports their number', async () => {
  const { text } = await runLogging(
    `for (let count = 1; count <= 20_000; count++) log.info({ count, hint: 'x'.repeat(1000) }, 'record')`,
  )
  const records = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; count?: number })
  const dropped = records.find(({ msg }) => msg.startsWith('log records were dropped'))
  assert.equal((dropped?.count ?? 0) + records.filter(({ msg }) => msg === 'record').length, 20_000)
  assert.ok((dropped?.count ?? 0) > 0)
})

test('a terminal gets coloured text, a pipe gets JSON, and --log-format overrides both', async () => {
  const script = 'log.warn({ registry: "r.test" }, "registry cannot be listed")'
  const onTerminal = await runLogging(script, { terminal: true })
  const word = styleText('yellow', 'WARN ', { validateStream: false })
  assert.ok(onTerminal.text.includes(`${word} registry cannot be listed `), onTerminal.text)
  const uncoloured = await runLogging(script, { terminal: true, env: { NO_COLOR: '1' } })
  assert.match(uncoloured.text, /^\S+Z WARN  registry cannot be listed registry=r\.test\r?\n$/)
  assert.equal((JSON.parse((await runLogging(script)).text) as { registry: string }).registry, 'r.test')
  const asked = await runLogging(script, { terminal: true, format: 'json' })
  assert.equal((JSON.parse(asked.text) as { msg: string }).msg, 'registry cannot be listed')
  assert.match(
    (await runLogging(script, { format: 'text' })).text,
    /^\S+Z WARN  registry cannot be listed registry=r\.test\n$/,
  )
})
