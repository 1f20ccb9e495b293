import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { kubectl } from '../support/cluster-place.ts'
import { eventually, onKubernetes, Platform } from '../support/platform.ts'

const skip = onKubernetes ? false : 'it takes EXECUTOR=kubernetes'

/** Lines of 73 bytes, which take about 120 bytes each on the node. */
const linesOf = (count: number): string =>
  `yes 0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz | head -n ${count}`

/** More than the 10 MiB after which the node rotates a log (containerLogMaxSize). */
const burst = linesOf(150_000)

describe('logs that nodes rotate', { skip }, () => {
  let platform: Platform
  before(async () => {
    platform = await Platform.make()
    await platform.start()
  })
  after(() => platform[Symbol.asyncDispose]())

  const told = async (id: string) =>
    (await platform.jobs().events(id)).filter(({ reason }) => reason === 'LogIncomplete')
  /** The first bytes of a job's log on the node now. */
  const onNode = async (id: string): Promise<string> => {
    const names = (await kubectl('get', 'pods', '-n', platform.namespace, '-o', 'name')).split('\n')
    const name = names.find((each) => each.includes(id)) ?? ''
    return kubectl('logs', '-n', platform.namespace, name, '--limit-bytes=6')
  }

  it('followed logs are complete', async () => {
    // A part that the node rotates twice before the platform has read it is lost. So each part, smaller than a file, waits until
    // the one before is read. The node checks every 10 s whether to rotate.
    const pieces = [1, 2, 3, 4, 5, 6]
    const id = await platform.submit(
      `echo first; for i in ${pieces.join(' ')}; do while [ ! -e "go-$i" ]; do sleep 0.2; done; ${linesOf(50_000)}; ` +
        'echo "piece $i"; sleep 5; done; echo last',
    )
    const end = async () =>
      (await platform.fetch(`/api/v1/jobs/${id}/logs`, { headers: { range: 'bytes=-20' } })).text()
    let before = 'first\n'
    for (const i of pieces) {
      await eventually(`the log to end with ${before}`, async () => (await end()).endsWith(before), 300)
      await writeFile(join(platform.dataDir, `arc/home/ada/go-${i}`), '')
      before = `piece ${i}\n`
    }
    assert.equal((await platform.ended(id)).exitCode, 0)
    const whole = await platform.logOf(id)
    assert.equal(whole.length, 'first\nlast\n'.length + pieces.length * (50_000 * 73 + 'piece 1\n'.length))
    assert.ok(!whole.includes('…'))
    assert.deepEqual(await told(id), [])
  })

  it('a part rotated away while no server ran is missing, and log and events report it once', async () => {
    const id = await platform.submit(
      `echo first; while [ ! -e burst ]; do sleep 0.2; done; ${burst}; echo lost; while [ ! -e go ]; do sleep 0.2; done; echo last; exit 3`,
    )
    await platform.becomes(id, 'running')
    await eventually('its first words', async () => (await platform.logOf(id)) === 'first\n')
    await platform.stop('SIGKILL')
    await writeFile(join(platform.dataDir, 'arc/home/ada/burst'), '')
    await eventually('the node to begin another file', async () => (await onNode(id)) !== 'first\n')
    await platform.start()
    await writeFile(join(platform.dataDir, 'arc/home/ada/go'), '')
    assert.equal((await platform.ended(id)).exitCode, 3)
    const log = await platform.logOf(id)
    // The node looks every ten seconds: it may have begun the other file before the end of the burst, also within a line, since
    // containerd writes a line in parts where a part of it was there.
    assert.match(
      log,
      /^first\n\[… part of the log may be missing here: [^\n]+ …\]\n(?:(?:[0-9a-z]{1,72}\n)*lost\n)?last\n$/,
    )
    assert.ok(log.length < 150_000 * 73, `${log.length} bytes`)
    await eventually('the owner to be told', async () => (await told(id)).length > 0)
    assert.equal((await told(id)).length, 1)
  })
})
