import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runTool, toolEnvironment, ToolError } from './tool.ts'

const fails = async (work: Promise<unknown>): Promise<ToolError> => {
  const error: unknown = await work.then(
    () => assert.fail('it succeeded'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ToolError, String(error))
  return error
}

describe('a tool', () => {
  it('returns its output as bytes and reads its input', async () => {
    assert.deepEqual([...(await runTool('cat', [], { input: 'é' }))], [0xc3, 0xa9])
  })

  it('that fails is reported with its name, exit code and last error output', async () => {
    const error = await fails(runTool('sh', ['-c', 'echo first >&2; echo last >&2; exit 3']))
    assert.equal(error.message, 'sh exited with 3: first\nlast')
    assert.equal(error.exitCode, 3)
  })

  it('that does not exist is reported', async () => {
    assert.match(
      (await fails(runTool('no-such-tool', []))).message,
      /^no-such-tool could not be run: it is not installed/,
    )
  })

  it('with excessive output has its error output truncated', async () => {
    const error = await fails(runTool('sh', ['-c', 'yes complaint | head -c 1000000 >&2; exit 1']))
    assert.ok(error.stderr.length < 20_000)
    const flood = await fails(runTool('cat', ['/dev/zero'], { outputLimit: 1000 }))
    assert.match(flood.message, /more than 1000 bytes/)
  })

  it('is killed on abort, and has exited when the promise rejects', async () => {
    const enough = new AbortController()
    const running = runTool('sh', ['-c', 'trap "" TERM; while :; do :; done'], { signal: enough.signal })
    enough.abort(new Error('enough'))
    await assert.rejects(running, /^Error: enough$/)
    await assert.rejects(runTool('true', [], { signal: enough.signal }), /enough/)
  })

  it('that does not read its input is judged by its exit code', async () => {
    assert.equal((await runTool('true', [], { input: 'x'.repeat(1_000_000) })).length, 0)
  })

  it('inherits only the environment variables that it needs', () => {
    const ours = {
      PATH: '/bin',
      HOME: '/h',
      https_proxy: 'p',
      NO_PROXY: 'n',
      CANFAR_TOKEN: 'secret',
      PGPASSWORD: 'secret',
    }
    assert.deepEqual(toolEnvironment(ours), { LC_ALL: 'C', PATH: '/bin', HOME: '/h', https_proxy: 'p', NO_PROXY: 'n' })
  })
})
