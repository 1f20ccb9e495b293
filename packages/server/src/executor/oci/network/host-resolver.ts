import { readFile, stat } from 'node:fs/promises'
import { jobResolver, type JobResolver } from './resolver.ts'

const resolvConfPath = '/etc/resolv.conf'
const upstreamPath = '/run/systemd/resolve/resolv.conf'
/** Milliseconds before the files are looked at again. */
const believedFor = 1000

/** The machine's resolver for jobs, read again after the machine has changed it: laptops change networks. */
export class ResolverOfHost {
  #resolver: JobResolver | undefined
  #version = ''
  #gateway: string | undefined
  #checkedAt = 0

  /** @param gateway the machine's address for jobs, once it is known. */
  async read(gateway?: string, now = Date.now()): Promise<JobResolver> {
    if (this.#gateway !== gateway) this.#resolver = undefined
    if (this.#resolver !== undefined && now - this.#checkedAt < believedFor) return this.#resolver
    this.#gateway = gateway
    this.#checkedAt = now
    const version = (await Promise.all([resolvConfPath, upstreamPath].map(versionOf))).join(' ')
    if (this.#resolver === undefined || version !== this.#version) {
      const [resolvConf = '', upstream = ''] = await Promise.all([resolvConfPath, upstreamPath].map(contentOf))
      this.#resolver = jobResolver({ resolvConf, upstream }, gateway)
      this.#version = version
    }
    return this.#resolver
  }
}

async function versionOf(path: string): Promise<string> {
  const stats = await stat(path).catch(unlessMissing)
  return stats === undefined ? 'none' : `${stats.ino}-${stats.mtimeMs}-${stats.size}`
}

const contentOf = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(unlessMissing)

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
