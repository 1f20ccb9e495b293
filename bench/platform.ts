import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Contender, parallelism, sinceAsked, type Started, tellTime } from './contender.ts'
import { HttpConnection } from './http-connection.ts'
import type { BenchImage } from './image.ts'
import { childrenOf, processorOf, type ProcessorTime } from './processor.ts'
import { run, startDaemon, until } from './run-program.ts'

const program = fileURLToPath(new URL('../bin/science-platform', import.meta.url))

/** A platform that was started for the benchmark on a folder of its own. */
export interface Platform extends Started {
  readonly url: string
  readonly token: string
  readonly pid: number
  /** Where its inspector listens, if it was started with `--inspect`. */
  readonly inspector?: string
  /** Ends it and removes its folder; `look` runs between the two. */
  stop(look?: () => Promise<void>): Promise<void>
}

/** A request for one job of one core that runs the command. */
export const jobRequest = (name: string, command: readonly string[]) => ({
  name,
  image: 'localhost/bench:1',
  cmd: command[0],
  args: command.slice(1),
  cores: 1,
  memoryGb: 1,
})

const releaseFile = 'release'

const plenty = '{burst: 1000000000, perSecond: 1000000}'

/** Runs until the platform that started it is stopped by {@link Started.stop}; works without a network. */
export const blockingCommand = ['/bin/sh', '-c', `until [ -e ${releaseFile} ]; do sleep 0.2; done`] as const

/** Whether a process has the folder in its command line: then a job of the platform runs or is being cleaned up. */
async function isInUse(folder: string): Promise<boolean> {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  const lines = await Promise.all(processes.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.some((line) => line.includes(folder))
}

/**
 * Starts the platform by its own commands, as a user does, with room for as many jobs at the same time as the other contenders.
 *
 * @param prepare may fill the data directory before the server starts
 * @param env is added to the server's environment
 */
export async function startPlatform(
  folder: string,
  image: BenchImage,
  prepare: (dataDir: string) => Promise<void> = async () => {},
  env: Readonly<Record<string, string>> = {},
): Promise<Platform> {
  const dataDir = `${folder}/data`
  await mkdir(dataDir, { recursive: true })
  const config = `${folder}/config.yaml`
  await writeFile(
    config,
    [
      `dataDir: ${dataDir}`,
      'listen: 127.0.0.1:0',
      `capacity: {cores: ${parallelism}, memoryGb: ${parallelism}}`,
      // Requests are counted as usual, and never refused: the benchmark's user sends more than the default rate.
      `limits: {requests: {reads: ${plenty}, changes: ${plenty}}}`,
      '',
    ].join('\n'),
  )
  const administer = (...args: string[]): Promise<string> => run(program, [...args, '--config', config])
  await administer('user', 'add', 'bench')
  const token = (await administer('token', 'create', 'bench')).trim()
  await administer('image', 'load', image.archive, '--as', 'localhost/bench:1')
  await prepare(dataDir)

  const daemon = startDaemon(program, ['serve', '--config', config], `${folder}/log`, env)
  const stop = async (look: () => Promise<void> = async () => {}): Promise<void> => {
    connections.forEach((connection) => connection.close())
    await daemon.stop()
    // Jobs outlive the server; the blocking job waits for this file.
    await mkdir(`${dataDir}/arc/home/bench`, { recursive: true })
    await writeFile(`${dataDir}/arc/home/bench/${releaseFile}`, '')
    await until('the end of the last job', 30, async () => ((await isInUse(folder)) ? undefined : true))
    await look()
    await rm(folder, { recursive: true, force: true })
  }
  let connections: HttpConnection[] = []
  try {
    const listening = /listening on (http:\S+)/
    const url = await until(
      `science-platform serve (its log: ${folder}/log)`,
      30,
      async () => listening.exec(await readFile(`${folder}/log`, 'utf8'))?.[1],
    )
    connections = Array.from({ length: parallelism }, () => new HttpConnection(url, token))
    const { pid } = daemon
    const inspector = /Debugger listening on (ws:\S+)/.exec(await readFile(`${folder}/log`, 'utf8'))?.[1]
    return {
      url,
      token,
      pid,
      ...(inspector === undefined ? {} : { inspector }),
      contenders: [contender(connections, { url, token, pid })],
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The server's own time, and that of what it started: its tools, the fork server, and the supervisors and jobs below it. */
function processor(pid: number): ProcessorTime {
  const { ownMs, childrenMs } = processorOf(pid)
  const below = childrenOf(pid).map(processorOf)
  return { serverMs: ownMs, restMs: below.reduce((sum, each) => sum + each.ownMs + each.childrenMs, childrenMs) }
}

function contender(
  connections: readonly HttpConnection[],
  { url, token, pid }: Pick<Platform, 'url' | 'token' | 'pid'>,
): Contender {
  const [connection] = connections
  if (!connection) throw new Error('no connection to the platform')

  const submit = async (over: HttpConnection, command: readonly string[]): Promise<string> => {
    const answer = await over.expect(201, 'POST', '/api/v1/jobs', jobRequest('bench', command))
    const [id] = (JSON.parse(answer) as { ids: string[] }).ids
    if (id === undefined) throw new Error(`no id in ${answer}`)
    return id
  }
  const ended = async (id: string): Promise<void> => {
    const job = JSON.parse(await connection.expect(200, 'GET', `/api/v1/jobs/${id}/wait?timeout=60`)) as {
      state: string
      cause?: { message: string }
    }
    if (job.state !== 'succeeded') throw new Error(`job ${id} is ${job.state}: ${job.cause?.message ?? ''}`)
  }

  const log = async (id: string): Promise<string> => {
    const answer = await fetch(`${url}/api/v1/jobs/${id}/logs`, { headers: { authorization: `Bearer ${token}` } })
    return answer.text()
  }

  return {
    name: 'science-platform',
    description: `this platform: jobs submitted one by one over HTTP, isolated network, ${parallelism} at a time, until every exit is recorded`,
    async runTrue(count) {
      let left = count
      const ids: string[] = []
      await Promise.all(
        connections.map(async (over) => {
          while (left-- > 0) ids.push(await submit(over, ['/bin/true']))
        }),
      )
      for (const id of ids) await ended(id)
    },
    async firstInstruction() {
      const askedAt = Date.now()
      const id = await submit(connection, tellTime)
      await ended(id)
      return sinceAsked(askedAt, await log(id))
    },
    processor: () => processor(pid),
  }
}
