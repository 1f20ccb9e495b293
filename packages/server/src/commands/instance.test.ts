import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { claimDataDir, claimIdentity } from './instance.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sp-instance-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** A process that claims the folder, in the network namespace that a prefix of the command makes. */
async function other(prefix: readonly string[] = []): Promise<ChildProcess> {
  const script = `import { claimDataDir } from ${JSON.stringify(new URL('instance.ts', import.meta.url).href)}
await claimDataDir(${JSON.stringify(folder)}); console.log('claimed'); setInterval(() => {}, 1000)`
  const words = [...prefix, process.execPath, '--input-type=module', '-e', script]
  const child = spawn('env', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

for (const [where, prefix] of [
  ['on this machine', []],
  ['in a container with a network of its own', ['unshare', '--net']],
] as const)
  test(`one process works on a data directory, and the next is told whose it is: ${where}`, async () => {
    const first = await other(prefix)
    const refused = new RegExp(
      `Another server uses ${folder} \\(process ${first.pid} on .*, since 20.*\\)\\. Stop it first`,
    )
    await assert.rejects(claimDataDir(folder), refused)
    first.kill('SIGKILL')
    await once(first, 'exit')
    const release = await claimDataDir(folder)
    await release()
    await (
      await claimDataDir(folder)
    )()
  })

test('a server of an earlier release, which holds the socket alone and says nothing, is respected', async () => {
  const old = createServer((socket) => socket.end())
  old.listen(`\0science-platform-${createHash('sha256').update(folder).digest('hex')}`)
  await once(old, 'listening')
  await assert.rejects(claimDataDir(folder), /Another server uses \S+\. Stop it first/)
  old.close()
})

test('a copy of a data directory is refused while a server works on the other', async () => {
  const release = await claimIdentity(folder, '/data/one')
  await assert.rejects(
    claimIdentity(folder, '/data/two'),
    /\/data\/two is a copy: .* runs on \/data\/one \(process \d+/,
  )
  await release()
  await (
    await claimIdentity(folder, '/data/two')
  )()
})
