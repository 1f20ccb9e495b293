import { readlinkSync, readdirSync } from 'node:fs'

/**
 * Which of these network namespaces (`net:[…]`) have a process in them. Synchronous: reading a link of /proc takes 5 µs, and handing the
 * read to a thread takes ten times as long.
 */
export function occupiedNamespaces(ids: ReadonlySet<string>): ReadonlySet<string> {
  const found = new Set<string>()
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const id = namespaceOf(pid)
    if (id !== undefined && ids.has(id)) found.add(id)
  }
  return found
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // The process has ended meanwhile, or belongs to no job: root may read the links of a job's processes.
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined
    throw error
  }
}
