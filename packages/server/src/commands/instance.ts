import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { DatabaseSync } from 'node:sqlite'

/** A short name for the server of a data directory, for its control groups and network interfaces. Pure. */
export const instanceName = (dataDir: string): string => createHash('sha256').update(dataDir).digest('hex').slice(0, 8)

/** Releases what was claimed. */
type Release = () => Promise<void>

/** The process that works on a data directory: what it tells those that come after it. */
interface Holder {
  readonly pid: number
  readonly host: string
  readonly since: string
  readonly dataDir: string
}

/**
 * Makes sure that one process alone works on a data directory. The kernel releases both claims with the process, however that ends: a
 * lock on a file, which also holds between containers that share the directory; and a socket, which earlier releases hold.
 *
 * @returns how to release it.
 * @throws where another process has it. The text says which one, and since when.
 */
export async function claimDataDir(dataDir: string): Promise<Release> {
  const refuse = (holder: Holder | undefined): Error =>
    new Error(`Another server uses ${dataDir}${wordsOf(holder)}. Stop it first, or use another --data.`)
  const note = join(dataDir, 'serve.json')
  const me = holderOf(dataDir)
  const socket = await holdSocket(createHash('sha256').update(dataDir).digest('hex'), me)
  if ('holder' in socket) throw refuse(socket.holder)
  const lock = lockFile(join(dataDir, 'serve.lock'))
  if (lock === undefined) {
    await socket.release()
    throw refuse(parseHolder(await readFile(note, 'utf8').catch(() => '')))
  }
  await writeFile(note, `${JSON.stringify(me)}\n`, { mode: 0o600 })
  return async () => {
    lock.close()
    await socket.release()
  }
}

/**
 * Makes sure that no server works with a copy of a database on this machine: a copied data directory has the identity of the first.
 *
 * @throws where one does. The text says where.
 */
export async function claimIdentity(identity: string, dataDir: string): Promise<Release> {
  const socket = await holdSocket(`identity-${identity}`, holderOf(dataDir))
  if ('release' in socket) return socket.release
  const where = socket.holder === undefined ? '' : ` on ${socket.holder.dataDir}`
  throw new Error(
    `${dataDir} is a copy: a server of the same database ${identity} runs${where}${wordsOf(socket.holder)}. Stop that server ` +
      'first: both would run the same jobs.',
  )
}

const holderOf = (dataDir: string): Holder => ({
  pid: process.pid,
  host: hostname(),
  since: new Date().toISOString(),
  dataDir,
})

const wordsOf = (holder: Holder | undefined): string =>
  holder === undefined ? '' : ` (process ${holder.pid} on ${holder.host}, since ${holder.since})`

/** Holds a socket in Linux's abstract namespace, which tells who holds it. */
async function holdSocket(
  name: string,
  me: Holder,
): Promise<{ readonly release: Release } | { readonly holder: Holder | undefined }> {
  const path = `\0science-platform-${name}`
  const claim = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.end(JSON.stringify(me))
  })
  try {
    await listen(claim, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return { holder: parseHolder(await text(connect({ path })).catch(() => '')) }
  }
  claim.unref()
  const release = (): Promise<void> =>
    new Promise((resolve) => {
      claim.close(() => {
        resolve()
      })
    })
  return { release }
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })

/** Locks a file as SQLite locks an empty database (fcntl(2)): Node has no call for it. Undefined where another process has it. */
function lockFile(path: string): DatabaseSync | undefined {
  const lock = new DatabaseSync(path, { timeout: 0 })
  try {
    lock.exec('begin exclusive')
    return lock
  } catch (error) {
    lock.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === 5) return undefined
    throw error
  }
}

/** What a holder told; undefined for a release that tells nothing. */
function parseHolder(told: string): Holder | undefined {
  try {
    return JSON.parse(told) as Holder
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
