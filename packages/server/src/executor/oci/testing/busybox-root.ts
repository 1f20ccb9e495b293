import { execFileSync } from 'node:child_process'
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ImageError } from '../../../image/fetch/image-error.ts'
import type { LocalImages, PreparedImage } from '../../../image/store/local-images.ts'
import { printReference, requireReference } from '../../../job/image-reference.ts'

/** Makes an unpacked image root from the machine's static busybox. */
export async function makeBusyboxRoot(rootfs: string): Promise<void> {
  for (const folder of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'root'])
    await mkdir(join(rootfs, folder), { recursive: true })
  await chmod(join(rootfs, 'tmp'), 0o1777)
  await copyFile('/bin/busybox', join(rootfs, 'bin/busybox'))
  await chmod(join(rootfs, 'bin/busybox'), 0o755)
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).split('\n')
  for (const applet of applets.filter((name) => name !== '' && name !== 'busybox'))
    await symlink('busybox', join(rootfs, 'bin', applet))
  await writeFile(join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  await writeFile(join(rootfs, 'etc/group'), 'root:x:0:\n')
}

/** The image {@link fixedImages} has. */
export const busyboxReference = requireReference('localhost/test/busybox:1')

/** Images that are there already: one unpacked root under one name. Every other name is not found; `stalled` is fetched until aborted. */
export function fixedImages(rootfs: string, changes: Partial<PreparedImage> = {}): Pick<LocalImages, 'prepare'> {
  const image: PreparedImage = {
    reference: busyboxReference,
    digest: `sha256:${'b'.repeat(64)}`,
    rootfs,
    entrypoint: [],
    cmd: ['/bin/true'],
    env: ['PATH=/bin', 'FROM_IMAGE=yes'],
    workingDir: '',
    passwd: 'root:x:0:0:root:/root:/bin/sh\n',
    group: 'root:x:0:\n',
    ...changes,
  }
  return {
    prepare: (reference, { signal }) =>
      new Promise((resolve, reject) => {
        const name = printReference(reference)
        if (name === printReference(busyboxReference)) resolve(image)
        else if (signal.aborted) reject(signal.reason as Error)
        else if (name.includes('stalled'))
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error)
          })
        else reject(new ImageError({ code: 'image-not-found', message: `There is no image ${name}.` }))
      }),
  }
}
