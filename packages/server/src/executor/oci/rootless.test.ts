import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { whyNotAsRoot } from './testing/oci-under-test.ts'

const checkout = fileURLToPath(new URL('../../../../..', import.meta.url))
const suite = relative(checkout, fileURLToPath(new URL('oci.test.ts', import.meta.url)))

/** An id without an account: every user who may read the checkout can run the platform. */
const stranger = '54321'

/** $1: a folder that all may read, $2: the checkout, $3: Node's folder; the rest: a command, within the first. */
const script = `set -e
folder=$1
mount --bind "$2" "$folder/checkout"
mount --bind "$3" "$folder/node"
shift 3
exec "$@"
`

describe('the oci executor of an ordinary user', { skip: whyNotAsRoot() ?? false }, () => {
  it('fulfils the contract', async () => {
    // Root's checkout may be in a folder that other users cannot enter, such as /root.
    const folder = await mkdtemp(join(tmpdir(), 'oci-rootless-'))
    await chmod(folder, 0o755)
    for (const name of ['checkout', 'node']) await mkdir(join(folder, name))
    const dropped = [
      'setpriv',
      '--reuid',
      stranger,
      '--regid',
      stranger,
      '--clear-groups',
      '--inh-caps=-all',
      '--bounding-set=-all',
    ]
    const command = [join(folder, 'node/node'), '--test', '--test-reporter=tap', join(folder, 'checkout', suite)]
    try {
      const { stdout } = await promisify(execFile)(
        'unshare',
        ['--mount', 'sh', '-c', script, 'sh', folder, checkout, dirname(process.execPath), ...dropped, ...command],
        {
          cwd: '/',
          env: { PATH: process.env['PATH'], HOME: '/tmp', TMPDIR: '/tmp' },
          maxBuffer: 1 << 24,
        },
      ).catch((error: unknown) => {
        const { stdout: said = '', stderr = '' } = error as { stdout?: string; stderr?: string }
        assert.fail(`As uid ${stranger} the suite failed:\n${said}${stderr}`)
      })
      assert.match(stdout, /^# pass [2-9]\d$/m)
      assert.match(stdout, /^# fail 0$/m)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
