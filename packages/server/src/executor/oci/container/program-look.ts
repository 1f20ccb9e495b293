import { constants } from 'node:fs'
import { lstat, open, readlink, realpath } from 'node:fs/promises'
import { posix } from 'node:path'
import type { PreparedImage } from '../../../image/store/local-images.ts'
import { ifThere } from '../../../lib/files.ts'
import type { ProgramFacts } from '../../causes.ts'
import { homeOf, type ContainerIds } from '../../container-user.ts'
import type { AttemptSpec } from '../../executor.ts'

/** What an attempt's record keeps of its image, to explain why a program could not be run. */
export type ImageFacts = Pick<PreparedImage, 'rootfs' | 'entrypoint' | 'workingDir'> & {
  /** The variable PATH of the container. */
  readonly path: string
}

/** Where the parts of a container's file system are on this machine. */
export interface ProgramPlaces {
  readonly homeFolder: string
  readonly projectsFolder: string
  /** The ids of the job's processes on this machine. */
  readonly ids: ContainerIds
}

type Spec = Pick<AttemptSpec, 'account' | 'cmd' | 'workingDirectory'>

/** Links that are followed before a path counts as unknown, as in the kernel (path_resolution(7)). */
const mostLinks = 40
/** The kernel reads as much of a script's first line (BINPRM_BUF_SIZE). */
const firstLineBytes = 256

/**
 * Looks why a program could not be run, after the container is gone. Files of users may change meanwhile: of a path only names, modes and
 * owners are read, and of a file its first line alone, when it is really where the path says.
 */
export async function lookAtProgram(
  program: string,
  spec: Spec,
  image: ImageFacts,
  places: ProgramPlaces,
): Promise<ProgramFacts> {
  const look = new Look(spec, image, places)
  const entryPoint = spec.cmd === undefined || image.entrypoint.length === 0 ? {} : { entryPoint: image.entrypoint }
  if (!program.includes('/')) {
    // The first folder of PATH that has the program and may not be entered.
    for (const folder of image.path.split(':').filter((entry) => entry.startsWith('/'))) {
      const { found, closedFolder } = await look.at(posix.join(folder, program))
      if (found !== undefined) return closedFolder === undefined ? entryPoint : { closedFolder }
    }
    return entryPoint
  }
  const { found, closedFolder, isFolder } = await look.at(
    posix.resolve(spec.workingDirectory ?? homeOf(spec.account), program),
  )
  if (found !== undefined) {
    const firstLine = isFolder || closedFolder !== undefined ? undefined : await look.firstLine(found)
    return {
      ...(closedFolder === undefined ? {} : { closedFolder }),
      ...(isFolder ? { isFolder } : {}),
      ...(firstLine === undefined ? {} : { firstLine }),
    }
  }
  const { workingDir } = image
  const isInImageFolder =
    workingDir !== '' &&
    !program.startsWith('/') &&
    (await look.at(posix.resolve('/', workingDir, program))).found !== undefined
  return { ...entryPoint, ...(isInImageFolder ? { imageFolder: posix.resolve('/', workingDir) } : {}) }
}

/** What {@link Look.at} finds. */
interface Found {
  /** The path in the container without links; undefined where there is no such file. */
  readonly found?: string
  readonly closedFolder?: string
  readonly isFolder: boolean
}

class Look {
  readonly #mounts: readonly (readonly [inside: string, outside: string])[]
  readonly #ids: ContainerIds

  constructor({ account }: Spec, { rootfs }: ImageFacts, { homeFolder, projectsFolder, ids }: ProgramPlaces) {
    this.#ids = ids
    this.#mounts = [
      [homeOf(account), homeFolder],
      ['/arc/projects', projectsFolder],
      ['/', rootfs],
    ]
  }

  /** Follows a path as in the container. */
  async at(path: string): Promise<Found> {
    let rest = path.split('/').filter(Boolean)
    let here = '/'
    let closedFolder: string | undefined
    let isFolder = true
    for (let links = 0; rest.length > 0;) {
      const next = posix.join(here, rest[0] ?? '')
      // Folders of mounts need not be in the image.
      const isMount = this.#mounts.some(([inside]) => inside === next || inside.startsWith(`${next}/`))
      const file = await ifThere(lstat(this.#outside(next)))
      if (file === undefined && !isMount) return { isFolder: false }
      if (file?.isSymbolicLink() === true) {
        if (++links > mostLinks) return { isFolder: false }
        const target = posix.resolve(here, await readlink(this.#outside(next)))
        rest = [...target.split('/').filter(Boolean), ...rest.slice(1)]
        here = '/'
        continue
      }
      here = next
      rest = rest.slice(1)
      isFolder = file === undefined || file.isDirectory()
      if (rest.length > 0 && file !== undefined && !this.#mayEnter(file)) closedFolder ??= here
      if (rest.length > 0 && !isFolder) return { isFolder: false }
    }
    return { found: here, isFolder, ...(closedFolder === undefined ? {} : { closedFolder }) }
  }

  /** The first line of a script without its line feed; undefined where the file is no script or is not where it was. */
  async firstLine(path: string): Promise<string | undefined> {
    const outside = this.#outside(path)
    const [inside, base] = this.#mountOf(path)
    const expected = posix.join(await realpath(base), path.slice(inside === '/' ? 0 : inside.length))
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const file = await open(outside, flags).catch(() => undefined)
    if (file === undefined) return undefined
    try {
      if ((await readlink(`/proc/self/fd/${file.fd}`)) !== expected || !(await file.stat()).isFile()) return undefined
      const { buffer, bytesRead } = await file.read(Buffer.alloc(firstLineBytes), 0, firstLineBytes, 0)
      const line = buffer.subarray(0, bytesRead).toString('latin1').split('\n', 1)[0] ?? ''
      return line.startsWith('#!') ? line : undefined
    } finally {
      await file.close()
    }
  }

  #mountOf(path: string): readonly [inside: string, outside: string] {
    const mount = this.#mounts.find(([inside]) => inside === '/' || path === inside || path.startsWith(`${inside}/`))
    if (mount === undefined) throw new Error('The root is a mount.')
    return mount
  }

  #outside(path: string): string {
    const [inside, outside] = this.#mountOf(path)
    return posix.join(outside, path.slice(inside === '/' ? 0 : inside.length))
  }

  #mayEnter({ uid, gid, mode }: { readonly uid: number; readonly gid: number; readonly mode: number }): boolean {
    if (uid === this.#ids.uid) return (mode & 0o100) !== 0
    return ([this.#ids.gid, ...this.#ids.additionalGids].includes(gid) ? mode & 0o010 : mode & 0o001) !== 0
  }
}
