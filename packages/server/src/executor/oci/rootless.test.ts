import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { whyNotAsRoot } from './testing/oci-under-test.ts'

/** An id of no account: whoever may read the checkout can run the platform. */
const stranger = '54321'

describe('the oci executor of an ordinary user', { skip: whyNotAsRoot() ?? false }, () => {
  it('keeps the contract too', async () => {
    const suite = fileURLToPath(new URL('oci.test.ts', import.meta.url))
    const dropped = [
      '--reuid',
      stranger,
      '--regid',
      stranger,
      '--clear-groups',
      '--inh-caps=-all',
      '--bounding-set=-all',
    ]
    const { stdout } = await promisify(execFile)(
      'setpriv',
      [...dropped, process.execPath, '--test', '--test-reporter=tap', suite],
      {
        cwd: '/',
        env: { PATH: process.env['PATH'], HOME: '/tmp', TMPDIR: '/tmp' },
        maxBuffer: 1 << 24,
      },
    ).catch((error: unknown) => {
      const { stdout: said = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      assert.fail(`As uid ${stranger} the suite failed:\n${said}${stderr}`)
    })
    assert.match(stdout, /^# pass (2\d|3\d)$/m)
    assert.match(stdout, /^# fail 0$/m)
  })
})
