import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { homeOfAnother, makeHome, whyNoHomes } from './home.ts'

const isRoot = process.geteuid?.() === 0
const ada = { uid: 52_001, gid: 52_001 }

describe('a home', { skip: !isRoot && 'only root gives folders away' }, () => {
  let folder: string
  let homes: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'home-'))
    homes = join(folder, 'homes')
    await mkdir(homes, { mode: 0o755 })
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('is made for its owner alone, by several attempts at once', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, (_, i) => makeHome(join(homes, 'ada'), `j-${i}`, ada)))
    for (const home of made) assert.deepEqual(home, { folder: join(homes, 'ada') })
    const { uid, mode } = await stat(join(homes, 'ada'))
    assert.deepEqual([uid, mode & 0o777], [ada.uid, 0o700])
    assert.deepEqual(await readdir(homes), ['ada'])
  })

  it("may be a symbolic link of the operator's", async () => {
    const elsewhere = join(folder, 'elsewhere')
    await mkdir(elsewhere)
    await chown(elsewhere, ada.uid, ada.gid)
    await symlink(elsewhere, join(homes, 'ada'))
    assert.deepEqual(await makeHome(join(homes, 'ada'), 'j-1', ada), { folder: elsewhere, link: elsewhere })
  })

  it('is not followed where its user could have made the link', async () => {
    await symlink('/etc', join(homes, 'ada'))
    for (const spoil of [() => chmod(homes, 0o777), () => chown(homes, ada.uid, ada.gid)]) {
      await spoil()
      await assert.rejects(makeHome(join(homes, 'ada'), 'j-1', ada), /ada, a symbolic link to \/etc, is not followed/)
      await chmod(homes, 0o755)
    }
  })

  it('that cannot be one is refused by name, with what to do', async () => {
    await symlink('/nowhere/ada', join(homes, 'ada'))
    await assert.rejects(makeHome(join(homes, 'ada'), 'j-1', ada), /link to \/nowhere\/ada, leads nowhere: create/)
    await writeFile(join(homes, 'file'), '')
    await assert.rejects(makeHome(join(homes, 'file'), 'j-1', ada), /homes\/file is no folder: remove it/)
  })

  it('of another user is told as what it is', async () => {
    await mkdir(join(homes, 'ada'))
    assert.deepEqual(await makeHome(join(homes, 'ada'), 'j-1', ada), { folder: join(homes, 'ada'), otherUid: 0 })
    assert.match(
      homeOfAnother('/arc/home/ada', ada, 0),
      /belongs to the user id 0, not to yours \(52001\).*chown -R 52001:52001/,
    )
  })

  it('cannot be made where the file system gives nothing away, which is found without a user', async () => {
    assert.equal(await whyNoHomes(homes), undefined)
    assert.match((await whyNoHomes(join(folder, 'missing'))) ?? '', /ENOENT/)
    // Without CAP_CHOWN the kernel refuses as a server of NFS with root_squash does.
    const probe = `const { whyNoHomes } = await import(${JSON.stringify(new URL('./home.ts', import.meta.url).href)})
      console.log(await whyNoHomes(${JSON.stringify(homes)}))`
    const args = [
      '--bounding-set=-chown',
      '--inh-caps=-chown',
      '--',
      process.execPath,
      '--input-type=module',
      '--eval',
      probe,
    ]
    assert.match(execFileSync('setpriv', args, { encoding: 'utf8' }), /^EPERM/)
    assert.deepEqual(await readdir(homes), [], 'it leaves nothing behind')
  })
})
