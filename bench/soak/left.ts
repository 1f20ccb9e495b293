import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { childrenOf } from '../processor.ts'

/** What jobs may leave behind, counted. */
export interface Left {
  readonly mounts: number
  readonly controlGroups: number
  readonly namespaces: number
  readonly processes: number
  readonly attemptFolders: number
  /** Open files of the server and its fork server. */
  readonly descriptors: number
}

/** What is there now of the platform of a data directory, and of the attempts of these jobs. */
export function countLeft(dataDir: string, instance: string, pid: number | undefined, jobs: ReadonlySet<string>): Left {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(dataDir)).length
  const isAttempt = (name: string): boolean => jobs.has(name.slice(0, name.lastIndexOf('-')))
  const controlGroups = namesBelow('/sys/fs/cgroup').filter(isAttempt).length
  const namespaces = namesIn('/run/netns').filter((name) => name.startsWith(`sp${instance}-`)).length
  const own = String(process.pid)
  const processes = namesIn('/proc').filter(
    (name) => /^\d+$/.test(name) && name !== own && name !== String(pid) && commandLine(name).includes(dataDir),
  ).length
  const attemptFolders = namesIn(`${dataDir}/attempts`).filter(isAttempt).length
  const descriptors = (pid === undefined ? [] : [pid, ...childrenOf(pid)]).reduce(
    (sum, each) => sum + namesIn(`/proc/${each}/fd`).length,
    0,
  )
  return { mounts, controlGroups, namespaces, processes, attemptFolders, descriptors }
}

/** Names of files in a folder; none where it is not there, or has gone meanwhile. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Names of folders at any depth. */
function namesBelow(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => basename(name))
  } catch {
    return []
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
