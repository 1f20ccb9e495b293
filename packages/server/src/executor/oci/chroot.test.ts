import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { whyNotAsRoot } from './testing/oci-under-test.ts'

const checkout = fileURLToPath(new URL('../../../../..', import.meta.url))
const suite = fileURLToPath(new URL('oci.test.ts', import.meta.url))

/** $1: folder for the root, $2: the checkout, $3: Node's folder, $4: the suite. */
const script = `set -e
root=$1
mkdir -p "$root"/usr "$root"/sys "$root"/etc "$root"/proc "$root"/dev "$root"/tmp "$root"/var "$root"/run "$root$2" "$root$3"
chmod 1777 "$root"/tmp
for link in bin sbin lib lib64 lib32; do [ -L /$link ] && cp -P /$link "$root"/$link; done
for folder in usr etc dev sys "$2" "$3"; do mount --rbind "/$folder" "$root/$folder"; done
mount -t proc proc "$root"/proc
exec chroot "$root" "$3/node" --test --test-reporter=tap "$4"
`

describe('the oci executor in a chroot whose root is no mount point', { skip: whyNotAsRoot() ?? false }, () => {
  it('fulfils the contract', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oci-chroot-'))
    try {
      // In a mount namespace of its own: nothing of these mounts is left, whatever happens.
      const args = [
        '-c',
        script,
        'sh',
        join(folder, 'root'),
        checkout.replace(/\/$/, ''),
        dirname(process.execPath),
        suite,
      ]
      const { stdout } = await promisify(execFile)('unshare', ['--mount', 'sh', ...args], {
        cwd: '/',
        env: { PATH: process.env['PATH'], HOME: '/tmp', TMPDIR: '/tmp' },
        maxBuffer: 1 << 24,
      }).catch((error: unknown) => {
        const { stdout: said = '', stderr = '' } = error as { stdout?: string; stderr?: string }
        assert.fail(`In a chroot the suite failed:\n${said}${stderr}`)
      })
      assert.match(stdout, /^# pass [2-9]\d$/m)
      assert.match(stdout, /^# fail 0$/m)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
