import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually, onKubernetes, Platform, testImage } from './support/platform.ts'

const skip = process.getuid?.() === 0 ? false : 'only root can mount a small disk'

test(
  'with a full disk no job stops, no unsaved submission is accepted, and no exit code is lost',
  { skip },
  async () => {
    const mount = (dataDir: string) => {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', dataDir])
      return () => execFileSync('umount', ['--lazy', dataDir])
    }
    await using platform = await Platform.make('limits: {logMb: 512}\n', {}, { mount })
    await platform.start()
    const gate = join(platform.dataDir, 'arc/home/ada/gate')
    // On a cluster another file fills the disk: a node loses what it rotates away twice before the platform has read it, so that
    // the log stays below one file of the node there.
    const bytes = onKubernetes ? 4_000_000 : 200_000_000
    const id = await platform.submit(
      `echo first; touch gate; ${onKubernetes ? 'while [ -e gate ]; do sleep 0.2; done; ' : ''}` +
        `yes "$(head -c 999 /dev/zero | tr "\\0" x)" | head -c ${bytes}; echo last; exit 3`,
      { cores: 1 },
    )
    if (onKubernetes) {
      await eventually('the job to wait', () => Promise.resolve(existsSync(gate)))
      execFileSync('sh', ['-c', 'cat /dev/zero >"$1" 2>/dev/null || true', 'sh', join(platform.dataDir, 'ballast')])
      await rm(gate)
    }
    await eventually('the disk to be full', async () => (await statfs(platform.dataDir)).bavail < 16)
    const refused = await platform.fetch('/api/v1/jobs', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'more', image: testImage, env: { FILL: 'x'.repeat(100_000) } }),
    })
    assert.ok(refused.status === 507 || refused.status === 500, `${refused.status}`)
    assert.equal((await platform.fetch('/healthz')).status, 200)
    const failures = () => platform.log.split('writing the log of an attempt failed').length - 1
    if (onKubernetes) await eventually('the log to find no room', () => Promise.resolve(failures() > 0))
    // The operator frees space. Then the ends of the meantime are recorded.
    execFileSync('mount', ['-o', 'remount,size=256m', platform.dataDir])
    const job = await platform.ended(id)
    assert.equal(job.exitCode, 3)
    const log = await platform.logOf(id)
    assert.ok(log.startsWith('first\n'))
    if (onKubernetes) {
      // The node still has the rest of the log.
      assert.equal(log.length, bytes + 'first\nlast\n'.length)
      assert.ok(!(await platform.jobs().events(id)).some(({ reason }) => reason === 'LogIncomplete'))
      assert.equal(failures(), 1, 'one word is enough')
    } else assert.match(log, /bytes lost: the disk was full/)
    const { job: next } = await platform.run('echo fine')
    assert.equal(next.exitCode, 0)
  },
)
