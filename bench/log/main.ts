/**
 * `npm run bench:log`: how fast a log within its limit reaches the disk of a user by `canfar logs -f`, while its job writes it
 * and after it has ended, and the processor time that server and client take for it.
 */
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeImage } from '../image.ts'
import { jobRequest, startPlatform, type Platform } from '../platform.ts'
import { processorOf } from '../processor.ts'
import { until } from '../run-program.ts'

/** Below the limit of 64 MiB: nothing is left out. */
const logBytes = 64_000_000
const rounds = 5
const canfar = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url))

interface Figures {
  readonly seconds: number
  readonly serverMs: number
  readonly clientMs: number
}

const folder = await mkdtemp(join(tmpdir(), 'science-platform-bench-'))
const platform = await startPlatform(`${folder}/platform`, await makeImage(`${folder}/image`))
try {
  const home = `${folder}/platform/data/arc/home/bench`
  await mkdir(home, { recursive: true, mode: 0o777 })
  const [live, ended]: [Figures[], Figures[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    const id = await submit(`go-${round}`)
    live.push(await follow(id, () => writeFile(`${home}/go-${round}`, '')))
    ended.push(await follow(id, async () => {}))
  }
  const [load = 0] = loadavg()
  console.log(`a log of ${logBytes / 1e6} MB by canfar logs -f, best of ${rounds}; load ${load.toFixed(1)} at the end`)
  console.log('                       MB/s  server, ms per 100 MB  canfar, ms per 100 MB')
  for (const [name, figures] of [
    ['while it is written', live],
    ['of an ended job', ended],
  ] as const) {
    const least = (of: (each: Figures) => number): number => Math.min(...figures.map(of))
    const per100 = (ms: number): string => (ms / (logBytes / 1e8)).toFixed(0)
    const rate = logBytes / 1e6 / least(({ seconds }) => seconds)
    console.log(
      `${name.padEnd(20)}${rate.toFixed(0).padStart(7)}${per100(least(({ serverMs }) => serverMs)).padStart(23)}` +
        per100(least(({ clientMs }) => clientMs)).padStart(23),
    )
  }
} finally {
  await platform.stop()
  await rm(folder, { recursive: true, force: true })
}

/** Submits a job that writes its log when a file appears in its home. */
async function submit(gate: string): Promise<string> {
  const script = `until [ -e ${gate} ]; do sleep 0.05; done; yes 0123456789abcde | head -c ${logBytes}`
  const id = await api<{ ids: string[] }>('/jobs', jobRequest('log', ['/bin/sh', '-c', script]))
  return id.ids[0] ?? ''
}

/** Follows a log from the moment that `begin` begins. The start of `canfar` itself is left out. */
async function follow(id: string, begin: () => Promise<void>): Promise<Figures> {
  const environment = {
    ...process.env,
    CANFAR_URL: `${platform.url}/skaha/v1`,
    CANFAR_TOKEN: platform.token,
    HOME: folder,
  }
  const file = `${folder}/out`
  const child = spawn(process.execPath, [canfar, 'logs', '-f', id], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  })
  const out = child.stdout.pipe(createWriteStream(file))
  const pid = child.pid ?? 0
  // Its start costs the same for every log.
  await until('the job', 60, async () => (await api<{ state: string }>(`/jobs/${id}`)).state !== 'queued' || undefined)
  const [server, started] = [processorOf(platform.pid).ownMs, performance.now()]
  await begin()
  let client = 0
  let first: { readonly at: number; readonly clientMs: number } | undefined
  const watch = setInterval(() => {
    try {
      client = processorOf(pid).ownMs
    } catch {
      // it has ended
    }
  }, 5)
  child.stdout.once('data', () => {
    first = { at: performance.now(), clientMs: processorOf(pid).ownMs }
  })
  await new Promise((resolve) => out.once('close', resolve))
  const ended = performance.now()
  clearInterval(watch)
  const { size } = await stat(file)
  if (size !== logBytes) throw new Error(`${size} of ${logBytes} bytes came`)
  const { at, clientMs } = first ?? { at: started, clientMs: 0 }
  return {
    seconds: (ended - at) / 1000,
    serverMs: processorOf(platform.pid).ownMs - server,
    clientMs: client - clientMs,
  }
}

async function api<T>(path: string, body?: object): Promise<T> {
  const { url, token }: Platform = platform
  const answer = await fetch(`${url}/api/v1${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return (await answer.json()) as T
}
