import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCanfar } from '../packages/cli/src/testing/run-canfar.ts'
import { Platform, testImage } from './support/platform.ts'

test('of output over the limit of logs canfar prints what is there, says how much is missing, and exits with 74', async () => {
  await using platform = await Platform.make('limits: {logMb: 1}\n')
  await platform.start()
  const environment = { CANFAR_URL: `${platform.url}/skaha/v1`, CANFAR_TOKEN: platform.token }
  const canfar = (...words: string[]) => runCanfar(platform.folder, words, { environment })
  const written = `${'0123456789abcde\n'.repeat(2 ** 17)}the end\n`
  const script = `yes 0123456789abcde | head -c ${2 ** 21}; echo the end`

  // A follower may be faster than the job, so that nothing is missing for it; what is missing is counted.
  const followed = await canfar('create', 'headless', testImage, '-n', 'long', '-f', '--', 'sh', '-c', script)
  const missing = Number(/canfar: (\d+) bytes of the output/.exec(followed.stderr)?.[1] ?? 0)
  assert.equal(followed.stdout.length + missing, written.length, followed.stderr)
  assert.equal(followed.code, missing > 0 ? 74 : 0, followed.stderr)
  assert.ok(followed.stdout.endsWith('the end\n') && !followed.stdout.includes('…'))

  const id = /ID: (\w+)/.exec(followed.stderr)?.[1] ?? ''
  const half = 2 ** 19
  for (const words of [
    ['logs', id],
    ['logs', '-f', id],
  ]) {
    const { code, stdout, stderr } = await canfar(...words)
    assert.ok(stdout === written.slice(0, half) + written.slice(-half), `${stdout.length} bytes`)
    assert.match(stderr, new RegExp(`canfar: ${written.length - 2 * half} bytes of the output of ${id} are missing\n`))
    assert.equal(code, 74)
  }
  // Other clients see where the gap is.
  const marked = await platform.logOf(id)
  assert.ok(marked.includes(`[… ${written.length - 2 * half} bytes left out: the log is limited to 1 MiB …]\n`))
})
