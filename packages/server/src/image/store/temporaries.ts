import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { runTool, ToolError } from '../../lib/tool.ts'

/** A name that no other process has or had: `boot-pid-start`. Undefined where there is no such process. */
async function processName(pid: number): Promise<string | undefined> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).slice(0, 8)
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined
    throw error
  })
  // proc(5): the start time is field 22. The program's name may have any characters and ends with the last parenthesis.
  const start = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  return start === undefined ? undefined : `${boot}-${pid}-${start}`
}

/** Private folders for work in progress. Each has the name of its process, which shows whether that process still runs. */
export class Temporaries {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Creates the parent folder and removes the folders of processes that no longer run. */
  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    for (const name of await readdir(this.#folder)) {
      const pid = Number(name.split('-')[1])
      const owner = Number.isInteger(pid) && pid > 0 ? await processName(pid) : undefined
      if (owner === undefined || !name.startsWith(`${owner}-`)) await removeTree(join(this.#folder, name))
    }
  }

  /** Runs work with a new folder of mode 0700 and removes the folder at its end. */
  async use<T>(work: (folder: string) => Promise<T>): Promise<T> {
    const folder = await this.#make()
    try {
      return await work(folder)
    } finally {
      await removeTree(folder)
    }
  }

  async #make(): Promise<string> {
    const owner = await processName(process.pid)
    if (owner === undefined) throw new Error(`/proc does not show this process ${process.pid}: mount /proc`)
    const folder = join(this.#folder, `${owner}-${randomBytes(6).toString('hex')}`)
    await mkdir(folder, { mode: 0o700 })
    return folder
  }
}

/** Removes a folder with its contents, also folders that their owner, an ordinary user, may not write in. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    // Files may vanish under chmod, which then fails. The second attempt decides.
    await runTool('chmod', ['-R', 'u+rwX', '--', path]).catch((reason: unknown) => {
      if (!(reason instanceof ToolError)) throw reason
    })
    await rm(path, { recursive: true, force: true, maxRetries: 3 })
  }
}
