import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runTool } from '../lib/tool.ts'
import { ImageError } from './fetch/image-error.ts'
import { machineArchitecture } from './manifest.ts'
import { MachineImages } from './machine-images.ts'
import { byText } from './testing/by-text.ts'
import { busyboxImage, type BusyboxImage } from './testing/busybox-image.ts'
import { pushImage, startRegistry, type TestRegistry } from './testing/registry.ts'
import { startStallingProxy } from './testing/stalling-proxy.ts'

const account = { user: 'ada', password: 'love:lace' }
const registryAuth = 'ada:love:lace'
const signal = AbortSignal.timeout(1_200_000)
const silent = { info: () => undefined }

let scratch: string
let open: TestRegistry
let closed: TestRegistry
let count = 0

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'local-images-'))
  open = await startRegistry(join(scratch, 'open'))
  closed = await startRegistry(join(scratch, 'closed'), { account })
})
after(async () => {
  await open.stop()
  await closed.stop()
  await rm(scratch, { recursive: true })
})

/** A new folder of images; `images.test` is the open registry, `private.test` the one with a password. */
async function store(settings: { folder?: string; via?: string; limitBytes?: number } = {}) {
  const folder = settings.folder ?? join(scratch, `images-${++count}`)
  const images = await MachineImages.open({
    folder,
    policy: {
      registries: ['images.test', 'private.test', 'down.test', '127.0.0.1:1'],
      aliases: { 'images.test': settings.via ?? open.host, 'private.test': closed.host, 'down.test': '127.0.0.1:1' },
      insecure: [open.host, closed.host, '127.0.0.1:1', ...(settings.via === undefined ? [] : [settings.via])],
    },
    log: silent,
    ...(settings.limitBytes !== undefined && { limitBytes: settings.limitBytes }),
  })
  return { images: byText(images), folder }
}

async function push(as: string, wanted: Omit<BusyboxImage, 'archive'> = {}, format?: 'oci' | 'v2s2'): Promise<string> {
  const archive = join(scratch, `archive-${++count}.tar`)
  const digest = await busyboxImage({ ...wanted, archive })
  await pushImage(archive, open, as, format === undefined ? {} : { format })
  return digest
}

const isWhy =
  (code: string, message: RegExp, hint = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof ImageError, String(error))
    assert.deepEqual({ code: error.why.code }, { code })
    assert.match(error.why.message, message)
    assert.match(error.why.hint ?? '', hint)
    return true
  }

const leftovers = (folder: string) => readdir(join(folder, 'temporary'))

describe('an image of a registry', () => {
  it('with layers of zstd is unpacked', async () => {
    await push('t/zstd:1', { compression: 'zstd', layers: [[{ path: 'above', content: 'it' }]] })
    const { images } = await store()
    const { rootfs } = await images.prepare('images.test/t/zstd:1', { signal })
    assert.equal(await readFile(join(rootfs, 'above'), 'utf8'), 'it')
  })

  it('is found in an index that names no platforms', async () => {
    const other = machineArchitecture === 'arm64' ? 'amd64' : 'arm64'
    await push('t/unnamed:1', { architectures: [other, machineArchitecture], platforms: false })
    const { images } = await store()
    const { digest } = await images.prepare('images.test/t/unnamed:1', { signal })
    assert.equal(
      (await images.describe('images.test/t/unnamed:1', { signal })).platform?.architecture,
      machineArchitecture,
    )
    assert.match(digest, /^sha256:/)
  })

  it('is fetched, unpacked and described', async () => {
    const digest = await push('t/described:1', {
      entrypoint: ['/bin/echo', '-n'],
      cmd: ['hello'],
      env: ['A=b c', 'EMPTY='],
      workingDir: '/tmp',
    })
    const { images, folder } = await store()
    const reasons: string[] = []
    const image = await images.prepare('images.test/t/described:1', {
      signal,
      onProgress: (reason) => reasons.push(reason),
    })
    assert.deepEqual(
      { ...image, passwd: image.passwd.split('\n')[0], group: image.group.split('\n')[0] },
      {
        reference: { registry: 'images.test', path: 't/described', tag: '1' },
        digest,
        rootfs: image.rootfs,
        entrypoint: ['/bin/echo', '-n'],
        cmd: ['hello'],
        env: ['A=b c', 'EMPTY='],
        workingDir: '/tmp',
        passwd: 'root:x:0:0:root:/root:/bin/sh',
        group: 'root:x:0:',
      },
    )
    assert.deepEqual(reasons, ['Pulling', 'Pulled', 'Unpacking'])
    const said = await runTool(join(image.rootfs, 'bin/busybox'), ['echo', 'it runs'])
    assert.equal(said.toString(), 'it runs\n')
    assert.equal((await stat(join(image.rootfs, 'tmp'))).mode & 0o7777, 0o1777)
    assert.deepEqual(await leftovers(folder), [])
    const [listed] = await images.list()
    assert.deepEqual([listed?.reference, listed?.digest], ['images.test/t/described:1', digest])
    assert.ok((listed?.sizeBytes ?? 0) > 100_000)
  })

  it('takes no process when it is present', async (t) => {
    const digest = await push('t/present:1')
    const { images } = await store()
    await images.prepare('images.test/t/present:1', { signal })
    const path = process.env['PATH']
    process.env['PATH'] = '/nonexistent'
    try {
      const started = performance.now()
      for (let i = 0; i < 200; i++) await images.prepare('images.test/t/present:1', { digest, signal })
      t.diagnostic(`${((performance.now() - started) / 200).toFixed(2)} ms`)
    } finally {
      process.env['PATH'] = path
    }
  })

  it('in the form of Docker is the same, under the digest of the registry', async () => {
    await push('t/docker:1', { cmd: ['true'] }, 'v2s2')
    const { images } = await store()
    const image = await images.prepare('images.test/t/docker:1', { signal })
    const type = 'application/vnd.docker.distribution.manifest.v2+json'
    const head = await fetch(`http://${open.host}/v2/t/docker/manifests/1`, {
      method: 'HEAD',
      headers: { accept: type },
    })
    assert.equal(image.digest, head.headers.get('docker-content-digest'))
    assert.deepEqual(image.cmd, ['true'])
  })

  it('of several platforms is the one for this machine, under the digest of the index', async () => {
    const digest = await push('t/many:1', { architectures: ['s390x', machineArchitecture] })
    const { images } = await store()
    const image = await images.prepare('images.test/t/many:1', { signal })
    assert.equal(image.digest, digest)
    assert.equal(await images.resolve('images.test/t/many:1', { signal }), digest)
  })

  it('is fetched once for all callers at once, and a layer once for all images that have it', async () => {
    await push('t/once:1')
    const { images } = await store()
    const blobs = async () => (await open.requests()).filter((line) => /^GET .*\/blobs\//.test(line))
    const before = (await blobs()).length
    await Promise.all(Array.from({ length: 10 }, () => images.prepare('images.test/t/once:1', { signal })))
    // The configuration twice (the first time to read the platform) and the layer.
    const first = (await blobs()).slice(before)
    assert.equal(first.length, 3, first.join('\n'))
    const layer = first.find((line, i) => first.indexOf(line) === i && first.lastIndexOf(line) === i)
    assert.ok(layer)
    await push('t/twice:1', { cmd: ['another configuration'] })
    const middle = (await blobs()).length
    await images.prepare('images.test/t/twice:1', { signal })
    const second = (await blobs()).slice(middle)
    assert.equal(second.length, 2, second.join('\n'))
    assert.ok(!second.some((line) => line.endsWith(layer.slice(layer.indexOf('sha256:')))))
  })

  it('is available by its digest while its registry is down, and not by its tag', async () => {
    const registry = await startRegistry(join(scratch, 'falling'))
    const archive = join(scratch, 'falling.tar')
    const digest = await busyboxImage({ archive })
    await pushImage(archive, registry, 't/a:1')
    const { images } = await store({ via: registry.host })
    await images.prepare('images.test/t/a:1', { signal })
    await registry.stop()
    assert.equal((await images.prepare('images.test/t/a:1', { digest, signal })).digest, digest)
    assert.equal((await images.prepare(`images.test/t/a@${digest}`, { signal })).digest, digest)
    await assert.rejects(
      images.prepare('images.test/t/a:1', { signal }),
      isWhy('image-unreachable', /could not be reached/),
    )
  })

  it('is what its tag means now, while a recorded digest stays what it was', async () => {
    const first = await push('t/moving:1', { cmd: ['first'] })
    const { images } = await store()
    await images.prepare('images.test/t/moving:1', { signal })
    const second = await push('t/moving:1', { cmd: ['second'] })
    assert.deepEqual((await images.prepare('images.test/t/moving:1', { signal })).cmd, ['second'])
    assert.deepEqual((await images.prepare('images.test/t/moving:1', { digest: first, signal })).cmd, ['first'])
    assert.equal(await images.resolve('images.test/t/moving:1', { signal }), second)
  })
})

describe('an image that cannot be had', () => {
  it('says why, in words for the owner of the job', async () => {
    const archive = join(scratch, 'private.tar')
    await busyboxImage({ archive })
    await pushImage(archive, closed, 't/private:1', { account })
    await push('t/foreign:1', { architectures: ['s390x'] })
    await push('t/foreigners:1', { architectures: ['s390x', 'riscv64'] })
    await push('t/broken:1', { layers: [[{ path: 'noise', content: randomBytes(10_000) }]], brokenLayer: true })
    const { images, folder } = await store()
    const prepare = (image: string, auth?: string) =>
      images.prepare(image, { signal, ...(auth !== undefined && { registryAuth: auth }) })
    await assert.rejects(
      prepare('images.test/t/none:1'),
      isWhy('image-not-found', /has no image images\.test\/t\/none:1/, /tag/),
    )
    await assert.rejects(
      prepare('private.test/t/private:1'),
      isWhy('image-unauthorized', /credentials/, /canfar registry login private\.test$/),
    )
    await assert.rejects(prepare('private.test/t/private:1', 'ada:wrong'), isWhy('image-unauthorized', /credentials/))
    await assert.rejects(
      prepare('images.test/t/foreign:1'),
      isWhy('image-wrong-platform', /made for linux\/s390x/, /--platform/),
    )
    await assert.rejects(prepare('images.test/t/foreigners:1'), isWhy('image-wrong-platform', /s390x, linux\/riscv64/))
    await assert.rejects(prepare('down.test/t/a:1'), isWhy('image-unreachable', /127\.0\.0\.1:1 could not be reached/))
    await assert.rejects(prepare('elsewhere.test/t/a:1'), isWhy('image-not-found', /must come from one of/, /allow/))
    await assert.rejects(
      prepare('localhost/none:1'),
      isWhy('image-not-found', /local store has no image/, /image load/),
    )
    await assert.rejects(prepare('images.test/t/broken:1'), isWhy('image-invalid', /could not be read/))
    assert.deepEqual(await leftovers(folder), [])
    assert.equal((await prepare('private.test/t/private:1', registryAuth)).reference.path, 't/private')
  })

  it(
    'for lack of room on the disk says so, and leaves nothing',
    { skip: process.geteuid?.() !== 0 && 'only root mounts a tmpfs' },
    async () => {
      const big = randomBytes(3_000_000)
      await push('t/big:1', {
        layers: [
          [
            { path: 'big', content: big },
            { path: 'zeros', content: Buffer.alloc(30_000_000) },
          ],
        ],
      })
      for (const size of ['2m', '16m']) {
        const folder = join(scratch, `small-${size}`)
        await mkdir(folder)
        await runTool('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder])
        try {
          const { images } = await store({ folder })
          await assert.rejects(
            images.prepare('images.test/t/big:1', { signal }),
            isWhy(
              'disk-full',
              /^The image images\.test\S+ takes \d+\.\d MiB (to be fetched|unpacked, 28\.6 MiB of it for the file zeros)\. /,
            ),
          )
          assert.deepEqual(await leftovers(folder), [])
          assert.deepEqual(await readdir(join(folder, 'roots')), [])
        } finally {
          await runTool('umount', [folder])
        }
      }
    },
  )

  it('never shows credentials to other users of the machine', async () => {
    const proxy = await startStallingProxy(closed.host)
    const archive = join(scratch, 'secret.tar')
    await busyboxImage({ archive, cmd: ['secret'] })
    await pushImage(archive, closed, 't/secret:1', { account })
    const { images, folder } = await store({ via: proxy.host })
    const cancel = new AbortController()
    const fetching = images.prepare('images.test/t/secret:1', { registryAuth, signal: cancel.signal })
    await Promise.race([proxy.stalled, fetching])
    const secrets = ['lace', Buffer.from(registryAuth).toString('base64')]
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))) {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      const theirs = words.includes(folder) && secrets.some((secret) => words.includes(secret))
      assert.equal(theirs, false, words)
    }
    const [temporary = ''] = await leftovers(folder)
    assert.equal((await stat(join(folder, 'temporary', temporary))).mode & 0o777, 0o700)
    assert.equal((await stat(join(folder, 'temporary', temporary, 'auth.json'))).mode & 0o777, 0o600)
    cancel.abort(new Error('enough'))
    await assert.rejects(fetching, /enough/)
    assert.deepEqual(await leftovers(folder), [])
    await proxy.stop()
  })
})

describe('a fetch', () => {
  it('continues for one of two callers when the other leaves, and ends with its tools when both leave', async () => {
    await push('t/shared:1')
    const proxy = await startStallingProxy(open.host)
    const { images, folder } = await store({ via: proxy.host })
    const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()]
    const first = images.prepare('images.test/t/shared:1', { signal: one.signal })
    const second = images.prepare('images.test/t/shared:1', { signal: two.signal })
    await proxy.stalled
    one.abort(new Error('the first left'))
    await assert.rejects(first, /the first left/)
    assert.equal((await leftovers(folder)).length, 1)
    two.abort(new Error('the second left'))
    await assert.rejects(second, /the second left/)
    assert.deepEqual(await leftovers(folder), [])
    assert.deepEqual(await processesIn(folder), [])
    const third = images.prepare('images.test/t/shared:1', { signal: three.signal })
    proxy.letThrough()
    await third
    await proxy.stop()
  })

  it('of a server that was killed leaves only what the next one removes', async () => {
    await push('t/killed:1')
    const proxy = await startStallingProxy(open.host)
    const { folder } = await store({ via: proxy.host })
    const code = `
      import { MachineImages } from ${JSON.stringify(new URL('./machine-images.ts', import.meta.url).href)}
      const policy = { registries: ['images.test'], aliases: { 'images.test': '${proxy.host}' }, insecure: ['${proxy.host}'] }
      const images = await MachineImages.open({ folder: ${JSON.stringify(folder)}, policy, log: console })
      await images.prepare({ registry: 'images.test', path: 't/killed', tag: '1' }, { signal: new AbortController().signal })`
    const kill = new AbortController()
    const server = runTool(process.execPath, ['--input-type=module', '--eval', code], { signal: kill.signal })
    await Promise.race([proxy.stalled, server])
    assert.equal((await leftovers(folder)).length, 1)
    const fetching = (await processesIn(folder)).filter((pid) => pid !== process.pid)
    assert.ok(fetching.length > 0)
    kill.abort(new Error('killed'))
    await assert.rejects(server, /killed/)
    const { images } = await store({ folder })
    assert.deepEqual(await leftovers(folder), [])
    assert.ok(await images.prepare('images.test/t/killed:1', { signal }))
    await proxy.stop()
  })

  it('by two processes at once gives each the image', async () => {
    await push('t/two:1')
    const { images, folder } = await store()
    const other = await store({ folder })
    const both = await Promise.all(
      [images, other.images].map((each) => each.prepare('images.test/t/two:1', { signal })),
    )
    assert.deepEqual(both[0], both[1])
    assert.deepEqual(await leftovers(folder), [])
  })
})

describe('the local store', () => {
  it('loads OCI and docker archives, compressed or not, also while another process has it open', async () => {
    const { images, folder } = await store()
    const archive = join(scratch, 'load.tar')
    const digest = await busyboxImage({ archive, cmd: ['loaded'] })
    const docker = join(scratch, 'load-docker.tar')
    await runTool('skopeo', [
      'copy',
      '--quiet',
      '--insecure-policy',
      `oci-archive:${archive}`,
      `docker-archive:${docker}:x/y:1`,
    ])
    const plain = join(scratch, 'load-plain.tar')
    const plainDigest = await busyboxImage({ archive: plain, compressed: false })
    const zipped = join(scratch, 'load.tar.gz')
    await runTool('sh', ['-c', 'gzip -1 < "$1" > "$2"', 'sh', archive, zipped])

    await assert.rejects(images.prepare('localhost/t/a:1', { signal }), isWhy('image-not-found', /local store/))
    const loader = await store({ folder })
    assert.equal(await loader.images.load(archive, 'localhost/t/a:1', signal), digest)
    assert.deepEqual((await images.prepare('localhost/t/a:1', { signal })).cmd, ['loaded'])
    assert.equal(await images.load(zipped, 'localhost/t/zipped', signal), digest)
    assert.equal(await images.load(plain, 'localhost/t/plain:1', signal), plainDigest)
    assert.ok(await images.prepare('localhost/t/plain:1', { signal }))
    await images.load(docker, 'localhost/t/docker:1', signal)
    assert.deepEqual((await images.prepare('localhost/t/docker:1', { signal })).cmd, ['loaded'])
    assert.equal(await images.resolve('localhost/t/zipped:latest', { signal }), digest)

    const again = await busyboxImage({ archive, cmd: ['loaded again'] })
    assert.equal(await loader.images.load(archive, 'localhost/t/a:1', signal), again)
    assert.deepEqual((await images.prepare('localhost/t/a:1', { signal })).cmd, ['loaded again'])
    assert.deepEqual((await images.prepare('localhost/t/a:1', { digest, signal })).cmd, ['loaded'])
    const names = (await images.list()).map(({ reference }) => reference)
    assert.deepEqual(
      names,
      ['a:1', 'docker:1', 'plain:1', 'zipped:latest'].map((name) => `localhost/t/${name}`),
    )
    assert.deepEqual(await leftovers(folder), [])
  })

  it('refuses files that are not images, and names of registries', async () => {
    const { images } = await store()
    const archive = join(scratch, 'refused.tar')
    await runTool('tar', ['--create', '--file', archive, '--directory', '/etc', 'hostname'])
    await assert.rejects(
      images.load(archive, 'localhost/a:1', signal),
      isWhy('image-invalid', /neither index\.json nor/, /docker save/),
    )
    await assert.rejects(
      images.load('/etc/hostname', 'localhost/a:1', signal),
      isWhy('image-invalid', /could not be read/),
    )
    await assert.rejects(
      images.load('/nonexistent.tar', 'localhost/a:1', signal),
      isWhy('image-not-found', /no archive \/nonexistent\.tar/),
    )
    await assert.rejects(
      images.load(archive, 'images.test/a:1', signal),
      isWhy('image-invalid', /localhost\/NAME:TAG/, /localhost\/a:1/),
    )
    const foreign = join(scratch, 'foreign.tar')
    await busyboxImage({ archive: foreign, architectures: ['s390x'] })
    await assert.rejects(images.load(foreign, 'localhost/a:1', signal), isWhy('image-wrong-platform', /s390x/))
    assert.deepEqual(await images.list(), [])
  })

  it('removes a name, and keeps the image while it has another name', async () => {
    const { images } = await store()
    const archive = join(scratch, 'forgotten.tar')
    await busyboxImage({ archive })
    await images.load(archive, 'localhost/a:1', signal)
    await images.load(archive, 'localhost/b:1', signal)
    await images.prepare('localhost/a:1', { signal })
    await images.remove('localhost/a:1')
    await assert.rejects(images.prepare('localhost/a:1', { signal }), isWhy('image-not-found', /local store/))
    assert.ok(await images.prepare('localhost/b:1', { signal }))
    await assert.rejects(images.remove('localhost/a:1'), isWhy('image-not-found', /no image localhost\/a:1/))
  })
})

/** Processes whose command line names the folder. */
async function processesIn(folder: string): Promise<number[]> {
  const found: number[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (words.includes(folder)) found.push(Number(pid))
  }
  return found
}
