import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Platform } from './platform.ts'

/** The folder with qsub, qstat, qdel and pbsnodes. */
const pbsFolder = fileURLToPath(new URL('../../bin/pbs', import.meta.url))

/** The numbers of an account, as its jobs have them. */
export interface Account {
  readonly uid: string
  readonly gid: string
  readonly groups: string
}

/** The account of the platform's user. Their home exists afterwards. */
export async function accountOf(platform: Platform): Promise<Account> {
  const { log } = await platform.run('echo $(id -u) $(id -g) $(id -G | tr " " ,)')
  const [uid = '', gid = '', groups = ''] = log.trim().split(' ')
  return { uid, gid, groups }
}

/** The result of a program. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A program outside of jobs that sees the platform's /arc, as on a machine for logins. */
export interface ArcProgram {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

/**
 * Starts a shell line as an account, in a folder below /arc, with the programs of PBS first in its PATH. The line has a mount namespace of
 * its own in which /arc is the platform's folder. The process is the shell itself, or what it runs with `exec`.
 */
export async function startOnArc(
  platform: Platform,
  { uid, gid, groups }: Account,
  folder: string,
  line: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ArcProgram> {
  await mkdir('/arc', { recursive: true })
  const enter =
    'mount --bind "$1" /arc && cd "$2" && exec setpriv --reuid "$3" --regid "$4" --groups "$5" --inh-caps=-all sh -c "$6"'
  const words = [join(platform.dataDir, 'arc'), folder, uid, gid, groups, line]
  const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', enter, 'sh', ...words], {
    env: {
      ...(await platform.userEnvironment()),
      PATH: `${pbsFolder}:${process.env.PATH ?? ''}`,
      HOME: '/arc/home/ada',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  return { child, ended: once(child, 'close').then(([code]): Ended => ({ code: code as number | null, ...output })) }
}

/** Runs a shell line like {@link startOnArc}, to its end. */
export async function runOnArc(...words: Parameters<typeof startOnArc>): Promise<Ended> {
  return (await startOnArc(...words)).ended
}
