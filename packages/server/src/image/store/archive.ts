import { mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { runTool } from '../../lib/tool.ts'

/** The form of an image archive, by its members. An archive of a recent `docker save` has both; then it is `oci`. Pure. */
export function archiveFormat(members: readonly string[]): 'oci' | 'docker-archive' | undefined {
  const names = new Set(members.map((name) => name.replace(/^\.\//, '')))
  if (names.has('oci-layout') && names.has('index.json')) return 'oci'
  return names.has('manifest.json') ? 'docker-archive' : undefined
}

/** An archive in a form that skopeo reads. */
export interface ReadableArchive {
  readonly format: 'oci' | 'docker-archive'
  readonly path: string
}

/**
 * Makes an archive readable for skopeo; undefined when it is not an image. An OCI archive is extracted here, since skopeo
 * would set the owners of its members, which takes root. A docker archive gets a link without a colon in its name, since
 * skopeo reads what follows a colon as the name of an image.
 *
 * @param temporary private to this work
 * @throws ToolError when the file is not an archive; Error when it has members that an OCI layout does not have.
 */
export async function readableArchive(
  path: string,
  temporary: string,
  signal: AbortSignal,
): Promise<ReadableArchive | undefined> {
  const list = await runTool('tar', ['--list', '--force-local', '--file', path], {
    signal,
    outputLimit: 64 * 1024 * 1024,
  })
  const format = archiveFormat(list.toString().split('\n'))
  if (format === undefined) return undefined
  const archive = join(temporary, 'archive')
  if (format === 'docker-archive') {
    await symlink(path, archive)
    return { format, path: archive }
  }
  await mkdir(archive)
  const asOurs = ['--no-same-owner', '--no-same-permissions', '--force-local']
  await runTool('tar', ['--extract', ...asOurs, '--file', path, '--directory', archive], { signal })
  const strange = (await readdir(archive, { recursive: true, withFileTypes: true })).find(
    (entry) => !entry.isFile() && !entry.isDirectory(),
  )
  if (strange) throw new Error(`it has ${strange.name}, which is neither a file nor a folder`)
  return { format, path: archive }
}
