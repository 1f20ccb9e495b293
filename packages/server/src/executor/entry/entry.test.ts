import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { sourceSha256 } from './enter-program.ts'
import {
  enteringCommand,
  enterPath,
  enterProgram,
  entryFailure,
  withoutEntry,
  type EnterArchitecture,
} from './entry.ts'

describe('the entry of a job with a working directory', () => {
  let folder: string
  let program: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'entry-'))
    program = join(folder, 'enter')
    await writeFile(program, enterProgram(process.arch as EnterArchitecture), { mode: 0o755 })
    await mkdir(join(folder, 'there'))
    await writeFile(join(folder, 'file'), 'text')
    await symlink('loop', join(folder, 'loop'))
    await writeFile(join(folder, 'script'), '#!/no/such/interpreter\n', { mode: 0o755 })
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const run = (words: readonly string[], env: Record<string, string> = { PATH: '/usr/bin:/bin' }) => {
    const { status, stdout, stderr } = spawnSync(program, words, { env, encoding: 'utf8' })
    return { status, stdout, stderr }
  }

  it('was built from its source', async () => {
    const source = await readFile(join(import.meta.dirname, 'enter.c'))
    const now = createHash('sha256').update(source).digest('hex')
    assert.equal(now, sourceSha256, 'enter.c has changed: run build-enter')
  })

  it('is a static program for each architecture, without a writable code segment', () => {
    const machines = { x64: 62, arm64: 183 }
    for (const [architecture, machine] of Object.entries(machines)) {
      const bytes = enterProgram(architecture as EnterArchitecture)
      assert.equal(bytes.toString('latin1', 0, 4), '\x7fELF')
      assert.equal(bytes.readUInt16LE(18), machine)
      const headers = Array.from(
        { length: bytes.readUInt16LE(56) },
        (_, i) => Number(bytes.readBigUInt64LE(32)) + i * 56,
      )
      const segments = headers.map((at) => ({ type: bytes.readUInt32LE(at), flags: bytes.readUInt32LE(at + 4) }))
      const interpreter = 3
      assert.ok(segments.every(({ type, flags }) => type !== interpreter && (flags & 3) !== 3))
    }
  })

  it('enters a folder and becomes the command, with arguments and variables as they are', () => {
    const env = { PATH: '/no/such:/usr/bin:/bin', 'a.b-c': '1', EMPTY: '', é: 'ü\n' }
    const script = 'process.stdout.write(JSON.stringify([process.cwd(), process.argv.slice(1), process.env]))'
    const { stdout } = run(['find', join(folder, 'there'), process.execPath, '-e', script, ' a  b', '', '$x'], env)
    assert.deepEqual(JSON.parse(stdout), [join(folder, 'there'), [' a  b', '', '$x'], env])
  })

  it('makes a folder where it may, and enters it', () => {
    const made = join(folder, 'made/a/b')
    assert.equal(run(['make', made, 'pwd']).stdout, `${made}\n`)
    assert.equal(run(['make', made, 'pwd']).stdout, `${made}\n`, 'it may be there')
  })

  it('names the first folder that it cannot enter, and why', () => {
    const failed = (words: readonly string[]) => {
      const { status, stderr, stdout } = run(words)
      assert.equal(stdout, '')
      return entryFailure(status ?? 0, stderr)
    }
    const first = join(folder, 'there/no')
    const missing = failed(['find', `${first}/x/y`, 'pwd'])
    assert.deepEqual(missing, { verb: 'enter', folder: first, reason: 'no such file or directory' })
    const file = failed(['find', join(folder, 'file'), 'pwd'])
    assert.deepEqual(file, { verb: 'enter', folder: join(folder, 'file'), reason: 'not a directory' })
    assert.equal(failed(['find', join(folder, 'loop'), 'pwd'])?.reason, 'too many levels of symbolic links')
    assert.equal(failed(['make', join(folder, 'file/x'), 'pwd'])?.verb, 'make')
    const long = failed(['find', `/${'x'.repeat(4000)}`, 'pwd'])
    assert.deepEqual(long, { verb: 'enter', folder: `/${'x'.repeat(999)}...`, reason: 'file name too long' })
  })

  it('finds programs as the runtime does, and says why it cannot run one', () => {
    const failed = (words: readonly string[], env?: Record<string, string>) => {
      const { status, stderr } = run(['find', folder, ...words], env)
      return [status, stderr]
    }
    assert.deepEqual(failed(['no-such']), [127, 'exec no-such: not found\n'])
    assert.deepEqual(failed(['']), [127, 'exec : not found\n'])
    assert.deepEqual(failed(['./no-such']), [127, 'exec ./no-such: not found\n'])
    assert.deepEqual(failed(['./file']), [126, 'exec ./file: permission denied\n'])
    assert.deepEqual(failed(['file'], { PATH: `${folder}:/no` }), [126, 'exec file: permission denied\n'])
    assert.deepEqual(failed(['./script']), [126, 'exec ./script: no such file or directory\n'])
    assert.deepEqual(failed(['script'], { PATH: folder }), [126, `exec ${folder}/script: no such file or directory\n`])
    assert.equal(run(['find', '/usr/bin', 'env'], { PATH: ':/no' }).status, 0, 'an empty entry is the folder itself')
    assert.equal(run(['find', '/', 'sh', '-c', 'exit 7'], {}).status, 7, 'there is a default PATH')
  })

  it('is left out of a command without a working directory, and found again in one with it', () => {
    const command = ['sh', '-c', 'x']
    assert.deepEqual(enteringCommand({}, command), command)
    assert.deepEqual(withoutEntry(command), { command })
    for (const [workingDirectory, mode] of [
      ['/arc/x', 'find'],
      ['/scratch', 'make'],
      ['/scratch/x', 'make'],
      ['/scratchy', 'find'],
    ] as const) {
      const entering = enteringCommand({ workingDirectory }, command)
      assert.deepEqual(entering, [enterPath, mode, workingDirectory, ...command])
      assert.deepEqual(withoutEntry(entering), { command, workingDirectory })
    }
  })

  it('is not mistaken for a command that fails by itself', () => {
    assert.equal(entryFailure(1, 'cannot enter /x: permission denied\n'), undefined)
    assert.equal(entryFailure(125, 'work\ncannot enter /x: permission denied\n'), undefined)
    assert.equal(entryFailure(125, ''), undefined)
  })
})
