import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { archiveFormat, readableArchive } from './archive.ts'
import { busyboxImage } from '../testing/busybox-image.ts'
import { tar } from '../testing/tar.ts'

describe('the form of an archive', () => {
  it('shows in its members', () => {
    assert.equal(archiveFormat(['oci-layout', 'index.json', 'blobs/']), 'oci')
    assert.equal(archiveFormat(['./oci-layout', './index.json']), 'oci')
    assert.equal(archiveFormat(['manifest.json', 'index.json', 'oci-layout']), 'oci')
    assert.equal(archiveFormat(['manifest.json', '0123.json', '0123/layer.tar']), 'docker-archive')
    assert.equal(archiveFormat(['etc/hostname']), undefined)
  })
})

describe('an archive', () => {
  let scratch: string
  const signal = AbortSignal.timeout(1_200_000)
  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'archive-'))
  })
  after(() => rm(scratch, { recursive: true }))

  it('may have any name', async () => {
    const archive = join(scratch, 'host:name with spaces.tar')
    await busyboxImage({ archive })
    const temporary = join(scratch, 'any-name')
    await mkdir(temporary)
    const readable = await readableArchive(archive, undefined, temporary, signal)
    assert.deepEqual([readable?.format, readable?.path], ['oci', join(temporary, 'archive')])
    assert.deepEqual((await readdir(join(temporary, 'archive'))).sort(), ['blobs', 'index.json', 'oci-layout'])
  })

  it('with links in place of files is refused, so that skopeo follows none', async () => {
    const archive = join(scratch, 'linked.tar')
    const secret = join(scratch, 'secret')
    await writeFile(secret, '{}')
    const link = { path: 'index.json', type: 'symlink', target: secret } as const
    await writeFile(archive, tar([{ path: 'oci-layout', content: '{}' }, link]))
    const temporary = join(scratch, 'linked')
    await mkdir(temporary)
    await assert.rejects(
      readableArchive(archive, undefined, temporary, signal),
      /index\.json, which is neither a file nor a folder/,
    )
  })
})
