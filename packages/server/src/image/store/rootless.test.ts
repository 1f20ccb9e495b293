import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chown, mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runTool } from '../../lib/tool.ts'
import type { PreparedImage } from './local-images.ts'
import { busyboxImage } from '../testing/busybox-image.ts'

/** Debian's account without files. */
const nobody = 65_534

const program = (folder: string, archive: string): string => `
  import { MachineImages } from ${JSON.stringify(new URL('../machine-images.ts', import.meta.url).href)}
  const signal = AbortSignal.timeout(1_200_000)
  const images = await MachineImages.open({ folder: ${JSON.stringify(folder)}, policy: { registries: [], aliases: {}, insecure: [] }, log: console })
  await images.load(${JSON.stringify(archive)}, { registry: 'localhost', path: 'a', tag: '1' }, { signal })
  console.log(JSON.stringify(await images.prepare({ registry: 'localhost', path: 'a', tag: '1' }, { signal })))
  const { removeTree } = await import(${JSON.stringify(new URL('temporaries.ts', import.meta.url).href)})
  await removeTree(${JSON.stringify(join(folder, 'roots'))})`

const asNobody = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups']

/** Why the test cannot run here; false where it can. */
function obstacle(): string | false {
  if (process.geteuid?.() !== 0) return 'all tests run as an ordinary user anyway'
  const reached = spawnSync('setpriv', [...asNobody, 'test', '-r', fileURLToPath(import.meta.url)]).status === 0
  return reached ? false : 'the checkout lies in a folder that other users cannot enter'
}

describe('images of an ordinary user', { skip: obstacle() }, () => {
  it('are unpacked without owners and device nodes, and can be removed again', async () => {
    const scratch = await mkdtemp(join(tmpdir(), 'rootless-'))
    try {
      const archive = join(scratch, 'a.tar')
      await busyboxImage({
        archive,
        layers: [
          [
            { path: 'closed', type: 'directory', mode: 0o555 },
            { path: 'closed/file', uid: 1234, gid: 1234, content: 'x' },
            { path: 'dev/null', type: 'char', major: 1, minor: 3, mode: 0o666 },
          ],
        ],
      })
      const folder = join(scratch, 'images')
      await mkdir(folder)
      await chown(folder, nobody, nobody)
      await runTool('chmod', ['-R', 'go+rX', scratch])
      const node = [process.execPath, '--input-type=module', '--eval', program(folder, archive)]
      const output = await runTool('setpriv', [...asNobody, ...node], { env: { HOME: folder } })
      const image = JSON.parse(output.toString()) as PreparedImage
      assert.match(image.passwd, /^root:/)
      assert.equal(image.rootfs.startsWith(folder), true)

      await assert.rejects(stat(image.rootfs), { code: 'ENOENT' })
    } finally {
      await rm(scratch, { recursive: true })
    }
  })
})
