import assert from 'node:assert/strict'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { runTool } from '../../lib/tool.ts'
import { tar } from '../testing/tar.ts'
import { TarSizes } from './tar-sizes.ts'

const sizesOf = (bytes: Buffer, step = bytes.length) => {
  const sizes = new TarSizes()
  for (let at = 0; at < bytes.length; at += step) sizes.push(bytes.subarray(at, at + step))
  return sizes.sizes
}

test('files count in whole blocks, and folders, links and devices nothing', () => {
  const archive = tar([
    { path: 'folder', type: 'directory' },
    { path: 'folder/small', content: 'x' },
    { path: 'folder/large', content: Buffer.alloc(5_000) },
    { path: 'folder/link', type: 'symlink', target: 'large' },
    { path: 'folder/hard', type: 'hardlink', target: 'folder/large' },
    { path: 'folder/null', type: 'char', major: 1, minor: 3 },
    { path: 'empty' },
  ])
  assert.deepEqual(sizesOf(archive), { bytes: 3 * 4096, largest: { path: 'folder/large', bytes: 5_000 } })
})

test('pieces of any length give the same sizes', () => {
  const contents = fc.array(fc.nat(3_000), { maxLength: 8 })
  fc.assert(
    fc.property(contents, fc.integer({ min: 1, max: 1_500 }), (lengths, step) => {
      const archive = tar(lengths.map((length, i) => ({ path: `f${i}`, content: Buffer.alloc(length, 'x') })))
      assert.deepEqual(sizesOf(archive, step), sizesOf(archive))
      assert.equal(
        sizesOf(archive).bytes,
        lengths.reduce((sum, length) => sum + Math.ceil(length / 4096) * 4096, 0),
      )
    }),
  )
})

test('holes and long names are read in every format that tar writes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tar-sizes-'))
  try {
    const long = `${'long'.repeat(40)}.dat`
    const file = await open(join(folder, long), 'w')
    // Data between holes, often enough that the map needs more than one header.
    for (let i = 0; i < 40; i++) await file.write('data', i * 2 ** 20)
    await file.truncate(2 ** 33)
    await file.close()
    await writeFile(join(folder, 'after'), 'seen')
    const archive = join(folder, 'a.tar')
    for (const format of [
      ['--format=gnu'],
      ['--format=posix'],
      ['--format=posix', '--sparse-version=0.0'],
      ['--format=posix', '--sparse-version=0.1'],
    ]) {
      await runTool('tar', ['--sparse', ...format, '-C', folder, '-cf', archive, long, 'after'])
      const bytes = await readFile(archive)
      assert.ok(bytes.length < 2 ** 20, 'the archive has no holes')
      assert.deepEqual(
        sizesOf(bytes),
        { bytes: 2 ** 33 + 4096, largest: { path: long, bytes: 2 ** 33 } },
        format.join(' '),
      )
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a size beyond eight octal digits is read, in base 256 too', () => {
  const [header] = [tar([{ path: 'huge' }]).subarray(0, 512)]
  const octal = Buffer.from(header)
  octal.write('77777777777', 124)
  assert.equal(sizesOf(octal).largest?.bytes, 8 ** 11 - 1)
  const binary = Buffer.from(header)
  binary.fill(0, 124, 136)
  binary[124] = 0x80
  binary.writeUInt32BE(16, 128)
  assert.equal(sizesOf(binary).largest?.bytes, 2 ** 36)
})
