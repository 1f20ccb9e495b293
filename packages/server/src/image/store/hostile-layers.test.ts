import assert from 'node:assert/strict'
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ImageError } from '../fetch/image-error.ts'
import type { PreparedImage } from './local-images.ts'
import { MachineImages } from '../machine-images.ts'
import { busyboxImage } from '../testing/busybox-image.ts'
import type { TarEntry } from '../testing/tar.ts'
import { byText } from '../testing/by-text.ts'

const asRoot = process.geteuid?.() === 0
const upwards = '../'.repeat(12)

describe('a hostile layer', () => {
  let scratch: string
  let outside: string
  let count = 0
  before(async () => {
    // Short, since the path of a tar entry has at most 100 characters.
    scratch = await mkdtemp(join(tmpdir(), 'hl-'))
    outside = join(scratch, 'outside')
    await mkdir(outside)
    await writeFile(join(outside, 'secret'), 'untouched')
    await chmod(join(outside, 'secret'), 0o600)
  })
  after(() => rm(scratch, { recursive: true }))

  /** Loads an image with these layers; undefined when it is refused as invalid. */
  async function unpack(...layers: readonly (readonly TarEntry[])[]): Promise<PreparedImage | undefined> {
    const archive = join(scratch, `${++count}.tar`)
    await busyboxImage({ archive, layers })
    const folder = join(scratch, `images-${count}`)
    const opened = await MachineImages.open({
      folder,
      policy: { registries: [], aliases: {}, insecure: [] },
      log: { info: () => undefined },
    })
    const images = byText(opened)
    const signal = AbortSignal.timeout(1_200_000)
    const before = await everything(scratch, folder)
    const image = await images
      .load(archive, 'localhost/hostile:1', signal)
      .then(() => images.prepare('localhost/hostile:1', { signal }))
      .catch((error: unknown) => {
        if (error instanceof ImageError && error.why.code === 'image-invalid') return undefined
        throw error
      })
    assert.deepEqual(await everything(scratch, folder), before, 'something outside the store changed')
    assert.deepEqual((await readdir(folder)).sort(), ['blobs', 'grants', 'layouts', 'records', 'roots', 'temporary'])
    assert.deepEqual(await readdir(join(folder, 'temporary')), [])
    if (image) assert.ok((await lstat(image.rootfs)).isDirectory())
    return image
  }

  it('that names files above the root', async () => {
    await unpack([
      { path: `${upwards}${outside.slice(1)}/pwned`, content: 'x' },
      { path: '../pwned', content: 'x' },
      { path: '../../image.json', content: '{}' },
    ])
  })

  it('that names files by absolute paths', async () => {
    await unpack([{ path: `${outside}/pwned`, content: 'x' }])
  })

  it('that writes through an absolute link', async () => {
    await unpack([
      { path: 'out', type: 'symlink', target: outside },
      { path: 'out/pwned', content: 'x' },
      { path: 'out/secret', content: 'x' },
    ])
  })

  it('that writes through a relative link of the layer below', async () => {
    const link: TarEntry = { path: 'etc', type: 'symlink', target: `${upwards}${outside.slice(1)}` }
    await unpack(
      [{ path: '.wh.etc' }, link],
      [
        { path: 'etc/secret', content: 'x' },
        { path: 'etc/pwned', content: 'x' },
      ],
    )
  })

  it('that overwrites what a link points at', async () => {
    await unpack([
      { path: 'file', type: 'symlink', target: `${outside}/secret` },
      { path: 'file', content: 'x' },
    ])
  })

  it('that links hard to files outside and writes to them', async () => {
    for (const target of [`${outside}/secret`, `${upwards}${outside.slice(1)}/secret`]) {
      const image = await unpack([{ path: 'stolen', type: 'hardlink', target }], [{ path: 'stolen', content: 'x' }])
      if (image) assert.notEqual(await readFile(join(image.rootfs, 'stolen'), 'utf8'), 'untouched')
    }
  })

  it('that links hard to files outside through a link', async () => {
    const image = await unpack([
      { path: 'out', type: 'symlink', target: outside },
      { path: 'stolen', type: 'hardlink', target: 'out/secret' },
    ])
    if (image) assert.notEqual(await readFile(join(image.rootfs, 'stolen'), 'utf8').catch(() => ''), 'untouched')
  })

  it('that deletes files outside', async () => {
    await unpack([
      { path: 'out', type: 'symlink', target: outside },
      { path: 'out/.wh.secret' },
      { path: 'out/.wh..wh..opq' },
      { path: `${upwards}${outside.slice(1)}/.wh.secret` },
    ])
    await unpack([{ path: '.wh...' }])
    await unpack([{ path: '.wh..' }])
  })

  it('whose root is a link', async () => {
    await unpack([
      { path: './', type: 'symlink', target: outside },
      { path: 'pwned', content: 'x' },
    ])
  })

  it('whose accounts are a link to those of the machine', async () => {
    const link = (path: string): TarEntry => ({ path, type: 'symlink', target: `${outside}/secret` })
    const image = await unpack(
      [{ path: 'etc/.wh.passwd' }, { path: 'etc/.wh.group' }],
      [link('etc/passwd'), link('etc/group')],
    )
    assert.deepEqual([image?.passwd, image?.group], ['', ''])
  })

  it('with device nodes, pipes and programs that change the user stays in its folder, closed to others', async () => {
    const image = await unpack([
      { path: 'dev/mem', type: 'char', major: 1, minor: 1, mode: 0o666 },
      { path: 'dev/disk', type: 'block', major: 8, minor: 0, mode: 0o666 },
      { path: 'pipe', type: 'fifo' },
      { path: 'bin/su', mode: 0o4755, content: 'x' },
    ])
    assert.ok(image)
    if (asRoot) assert.equal((await lstat(join(image.rootfs, 'bin/su'))).mode & 0o7777, 0o4755)
    // The executor mounts it without devices and set-user-id; here only the server's account reaches it.
    assert.equal((await lstat(join(image.rootfs, '../..'))).mode & 0o777, 0o700)
  })
})

/** Everything in a folder but in one of its parts: names, kinds, modes, link counts and contents. */
async function everything(folder: string, except: string): Promise<readonly string[]> {
  const lines: string[] = []
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (path === except || path.startsWith(`${except}/`) || /\/images-\d+/.test(path)) continue
    const stats = await lstat(path)
    const content = stats.isFile() && stats.size < 1000 ? await readFile(path, 'utf8') : String(stats.size)
    lines.push(`${path} ${stats.mode} ${stats.nlink} ${stats.mtimeMs} ${stats.isFile() ? content : ''}`)
  }
  return lines.sort()
}
