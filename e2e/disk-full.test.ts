import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { statfs } from 'node:fs/promises'
import { test } from 'node:test'
import { eventually, Platform, testImage } from './support/platform.ts'

const skip = process.getuid?.() === 0 ? false : 'only root can mount a small disk'

test('a full disk stops no job, takes no submission it cannot keep, and loses no exit code', { skip }, async () => {
  await using platform = await Platform.make('limits: {logMb: 512}\n', {}, (dataDir) => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', dataDir])
    return () => execFileSync('umount', ['--lazy', dataDir])
  })
  await platform.start()
  const id = await platform.submit('echo first; yes 0123456789 | head -c 200000000; echo; echo last; exit 3', {
    cores: 1,
  })
  await eventually('the disk to be full', async () => (await statfs(platform.dataDir)).bavail < 16)
  const refused = await platform.fetch('/api/v1/jobs', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'more', image: testImage, env: { FILL: 'x'.repeat(100_000) } }),
  })
  assert.ok(refused.status === 507 || refused.status === 500, `${refused.status}`)
  assert.equal((await platform.fetch('/healthz')).status, 200)
  // The operator makes room; what ended meanwhile is recorded then.
  execFileSync('mount', ['-o', 'remount,size=256m', platform.dataDir])
  const job = await platform.ended(id)
  assert.equal(job.exitCode, 3)
  const log = await platform.logOf(id)
  assert.ok(log.startsWith('first\n'))
  assert.match(log, /bytes lost: the disk was full/)
  const { job: next } = await platform.run('echo fine')
  assert.equal(next.exitCode, 0)
})
