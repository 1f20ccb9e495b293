import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chooseImage } from './choose-image.ts'
import { digestOf, machineArchitecture } from './manifest.ts'

const other = machineArchitecture === 'arm64' ? 'amd64' : 'arm64'

/** Contents by digest, and what was read of them. */
class Contents {
  readonly #bytes = new Map<string, Buffer>()
  readonly read: string[] = []

  add(value: object): string {
    const bytes = Buffer.from(JSON.stringify(value))
    this.#bytes.set(digestOf(bytes), bytes)
    return digestOf(bytes)
  }

  image(architecture: string | undefined, os = 'linux'): string {
    const config = this.add(architecture === undefined ? {} : { architecture, os })
    return this.add({ schemaVersion: 2, config: { digest: config, size: 1 }, layers: [] })
  }

  index(...entries: readonly (readonly [string, object?])[]): string {
    return this.add({
      schemaVersion: 2,
      manifests: entries.map(([digest, more]) => ({ digest, size: 1, ...more })),
    })
  }

  choose(digest: string) {
    return chooseImage(digest, async (of) => {
      this.read.push(of)
      const bytes = this.#bytes.get(of)
      if (bytes === undefined) throw new Error(`nothing of ${of}`)
      return bytes
    })
  }
}

const platform = (architecture: string, os = 'linux') => ({ platform: { architecture, os } })
const attestation = platform('unknown', 'unknown')

describe('the image for this machine', () => {
  it('is the one whose entry says so, and no other entry is read', async () => {
    const all = new Contents()
    const mine = all.image(machineArchitecture)
    const found = await all.choose(
      all.index([all.image(other), platform(other)], [mine, platform(machineArchitecture)]),
    )
    assert.deepEqual([found.digest, found.fits, all.read.length], [mine, true, 3])
  })

  it('is found by configurations where entries name no platform, or a part of one', async () => {
    for (const unclear of [
      { annotations: {} },
      { platform: null },
      { platform: {} },
      { platform: { architecture: other } },
    ]) {
      const all = new Contents()
      const mine = all.image(machineArchitecture)
      const found = await all.choose(all.index([all.image(other), unclear], [mine, unclear]))
      assert.deepEqual([found.digest, found.fits], [mine, true], JSON.stringify(unclear))
    }
  })

  it('is found in an index within an index, and is no attestation', async () => {
    const all = new Contents()
    const mine = all.image(machineArchitecture)
    const inner = all.index([all.image(undefined), attestation], [mine, platform(machineArchitecture)])
    assert.equal((await all.choose(all.index([inner]))).digest, mine)
  })

  it('is described by another where there is none, with all platforms', async () => {
    const all = new Contents()
    const found = await all.choose(all.index([all.image(other)], [all.image('s390x'), platform('s390x')]))
    assert.equal(found.fits, false)
    assert.deepEqual(
      found.platforms.map((each) => each?.architecture),
      [other, 's390x'],
    )
  })

  it('is one without any platform, and none where an index lists nothing or leads in circles', async () => {
    const all = new Contents()
    assert.equal((await all.choose(all.image(undefined))).fits, true)
    await assert.rejects(all.choose(all.index()), /lists no image/)
    await assert.rejects(all.choose(all.index([all.image(undefined), attestation])), /lists no image/)
    const deep = all.index([all.index([all.index([all.index([all.image(undefined)])])])])
    await assert.rejects(all.choose(deep), /indexes within indexes/)
  })
})
