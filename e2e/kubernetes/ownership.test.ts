import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { kubectl } from '../support/cluster-place.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'

/** Labels of the jobs, with keys that the platform and Kubernetes use themselves and a value that no Kubernetes label may have. */
const labels = { run: 'night 42: "a"', 'canfar.net/id': 'mine', 'canfar.net/record': '{}' }

/** The Lease of the default instance. */
const lease = 'science-platform.canfar.net'

describe(
  'servers with databases of their own on one namespace',
  { skip: onKubernetes ? false : 'it takes EXECUTOR=kubernetes' },
  () => {
    let first: Platform
    let other: Platform
    const ids: string[] = []
    before(async () => {
      first = await Platform.make()
      other = await Platform.make()
      other.set('SCIENCE_PLATFORM_KUBERNETES_NAMESPACE', first.namespace)
      await first.start()
      for (let i = 0; i < 2; i++) {
        const id = await first.submit('echo up; until [ -e go ]; do sleep 0.2; done; echo down; exit 7', { labels })
        await first.becomes(id, 'running')
        ids.push(id)
      }
    })
    after(async () => {
      await other[Symbol.asyncDispose]()
      // Back to the first, so that it can be removed as any platform is.
      await first.admin('adopt', '--yes')
      await first[Symbol.asyncDispose]()
    })

    const namespaced = (...args: string[]) => kubectl(...args, '-n', first.namespace)
    const holder = () => namespaced('get', 'lease', lease, '-o', 'jsonpath={.spec.holderIdentity}')
    const running = () =>
      namespaced(
        'get',
        'pods',
        '--field-selector',
        'status.phase=Running',
        '-o',
        'jsonpath={.items[*].metadata.labels.canfar\\.net/id}',
      )
    const assertUnharmed = async (): Promise<void> => {
      assert.deepEqual((await running()).split(' ').toSorted(), ids.toSorted())
      const deleting = await namespaced('get', 'jobs,pods', '-o', 'jsonpath={.items[*].metadata.deletionTimestamp}')
      assert.equal(deleting, '')
    }
    const refusal = new RegExp(
      `does not run the jobs of the instance science-platform in the namespace e2e-\\w+: they belong to the database [-0-9a-f]{36} since`,
    )

    it('a second replica, release or laptop refuses to start while the first serves, and harms no job', async () => {
      const before = await holder()
      assert.match(before, /^[-0-9a-f]{36}$/)
      await assert.rejects(other.admin('serve'), refusal)
      await assert.rejects(other.admin('adopt', '--yes'), /Stop that server first; nothing was taken over/)
      await assertUnharmed()
      assert.equal(await holder(), before)
      const identities = '{.items[*].metadata.labels.canfar\\.net/identity}'
      assert.equal(await namespaced('get', 'jobs', '-o', `jsonpath=${identities}`), `${before} ${before}`)
    })

    it('refuses as well while the first is away, and the first takes its Lease back', async () => {
      const before = await holder()
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        await first.stop(signal)
        await assert.rejects(other.admin('serve'), refusal)
        await assertUnharmed()
        await first.start()
        assert.equal(await holder(), before)
      }
      for (const id of ids) assert.equal((await first.jobs().get(id)).state, 'running')
    })

    it('takes over where the operator says so: the jobs run on under the new database, and the first refuses', async () => {
      await first.stop()
      await assertUnharmed()
      const shown = JSON.parse(await other.admin('adopt', '--json')) as {
        lease: { identity: string }
        attempts: { id: string }[]
      }
      assert.equal(shown.lease.identity, await holder())
      assert.deepEqual(shown.attempts.map(({ id }) => id).toSorted(), ids.map((id) => `${id}-1`).toSorted())
      await other.admin('adopt', '--yes')
      await assertUnharmed()
      await assert.rejects(first.admin('serve'), refusal)
      await other.start()
      for (const id of ids) await other.becomes(id, 'running')
      await assertUnharmed()
      await writeFile(join(first.dataDir, 'arc/home/ada/go'), '')
      for (const id of ids) {
        const { exitCode, owner, labels: adopted } = await other.ended(id)
        assert.deepEqual(adopted, labels)
        assert.deepEqual([owner, exitCode, await other.logOf(id)], ['ada', 7, 'up\ndown\n'])
      }
      await eventually('an empty namespace', async () => (await namespaced('get', 'jobs,pods', '-o', 'name')) === '')
    })
  },
)
