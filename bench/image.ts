import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { busyboxImage } from '../packages/server/src/image/testing/busybox-image.ts'
import { run } from './run-program.ts'

/** The image that every contender runs, as an archive and unpacked. */
export interface BenchImage {
  readonly archive: string
  readonly rootFolder: string
}

/** The `date` of this machine with its libraries, because `date` of busybox prints no nanoseconds. */
function dateWithLibraries() {
  const libraries = execFileSync('ldd', ['/bin/date'], { encoding: 'utf8' }).match(/\/\S+/g) ?? []
  const folders = new Set<string>()
  for (const library of libraries) {
    const parts = library.slice(1).split('/').slice(0, -1)
    for (const depth of parts.keys()) folders.add(parts.slice(0, depth + 1).join('/'))
  }
  return [
    ...[...folders].filter((path) => path !== 'bin').map((path) => ({ path, type: 'directory' as const })),
    ...libraries.map((path) => ({ path: path.slice(1), mode: 0o755, content: readFileSync(path) })),
    { path: 'bin/date', mode: 0o755, content: readFileSync('/bin/date') },
  ]
}

/** Builds a small image with busybox and a `date` that prints nanoseconds. */
export async function makeImage(folder: string): Promise<BenchImage> {
  await mkdir(folder, { recursive: true })
  const archive = `${folder}/image.tar`
  await busyboxImage({ archive, layers: [dateWithLibraries()] })
  await run('skopeo', ['copy', '--quiet', `oci-archive:${archive}`, `oci:${folder}/layout:latest`])
  await run('umoci', ['raw', 'unpack', '--image', `${folder}/layout:latest`, `${folder}/root`])
  return { archive, rootFolder: `${folder}/root` }
}
