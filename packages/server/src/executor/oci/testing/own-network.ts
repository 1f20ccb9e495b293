import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const marker = 'TEST_IN_OWN_NETWORK'

/** Whether this process runs in network and mount namespaces of its own, where a test may change rules and links as it likes. */
export const isInOwnNetwork = process.env[marker] !== undefined

/**
 * Runs a test file once more, in network and mount namespaces of its own, and fails with its output where it fails. For tests that
 * change what the whole machine has one of, such as its ruleset.
 */
export function runInOwnNetwork(fileUrl: string): void {
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    // Names of namespaces are files below /run/netns, which a mount namespace alone would share.
    [
      '--net',
      '--mount',
      'sh',
      '-c',
      'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && exec "$@"',
      'sh',
      process.execPath,
      '--test-reporter=spec',
      fileURLToPath(fileUrl),
    ],
    { env: { ...inherited, [marker]: '1' }, encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`${stdout}\n${stderr}`)
}
