import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { type Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type Contender, parallelism, sinceAsked, type Started, tellTime } from './contender.ts'
import { isInstalled, run, startDaemon, until } from './run-program.ts'

/**
 * Docker Engine in two ways: over its HTTP API, and with `docker run`, which starts a client for each job. Undefined where
 * Docker is not installed.
 */
export async function startDocker(folder: string, rootFolder: string): Promise<Started | undefined> {
  if (!(await isInstalled('dockerd')) || process.getuid?.() !== 0) return undefined
  await mkdir(folder, { recursive: true })
  const socketPath = `${folder}/docker.sock`
  const version = (await run('dockerd', ['--version'])).match(/[\d.]+/)?.[0] ?? ''
  const agent = new Agent({ keepAlive: true })
  const daemon = startDaemon(
    'dockerd',
    [
      '--host',
      `unix://${socketPath}`,
      '--data-root',
      `${folder}/data`,
      '--exec-root',
      `${folder}/exec`,
      '--pidfile',
      `${folder}/pid`,
      '--storage-driver',
      'overlay2',
      '--iptables=false',
      '--bridge=none',
    ],
    `${folder}/log`,
  )

  async function call(method: string, path: string, body?: object | Readable): Promise<Buffer> {
    const stream = body !== undefined && 'pipe' in body
    const outgoing = request({
      socketPath,
      agent,
      method,
      path,
      headers: { 'content-type': stream ? 'application/x-tar' : 'application/json' },
    })
    if (stream) body.pipe(outgoing)
    else outgoing.end(body === undefined ? undefined : JSON.stringify(body))
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    const answer = await buffer(response)
    if ((response.statusCode ?? 500) >= 400) throw new Error(`docker ${method} ${path}: ${answer.toString()}`)
    return answer
  }

  async function runContainer(command: readonly string[], wantOutput: boolean): Promise<string> {
    const created = await call('POST', '/containers/create', {
      Image: 'bench',
      Cmd: command,
      NetworkDisabled: true,
      HostConfig: { NetworkMode: 'none' },
    })
    const { Id: id } = JSON.parse(created.toString()) as { Id: string }
    await call('POST', `/containers/${id}/start`)
    const ended = JSON.parse((await call('POST', `/containers/${id}/wait`)).toString()) as { StatusCode: number }
    if (ended.StatusCode !== 0) throw new Error(`docker: ${command.join(' ')} exited with ${ended.StatusCode}`)
    // An 8-byte header before each frame contains the stream and the length.
    const output = wantOutput ? (await call('GET', `/containers/${id}/logs?stdout=1`)).subarray(8).toString() : ''
    await call('DELETE', `/containers/${id}`)
    return output
  }

  const api: Contender = {
    name: 'Docker Engine, API',
    description: `Docker Engine ${version}, overlay2, no network; create, start, wait and remove over its socket`,
    async runTrue(count) {
      let left = count
      const worker = async (): Promise<void> => {
        while (left-- > 0) await runContainer(['/bin/true'], false)
      }
      await Promise.all(Array.from({ length: parallelism }, worker))
    },
    async firstInstruction() {
      const askedAt = Date.now()
      return sinceAsked(askedAt, await runContainer(tellTime, true))
    },
  }

  const client: Contender = {
    name: 'Docker Engine, docker run',
    description: 'the same engine, by `docker run --rm --network none`, which starts a client for each job',
    async runTrue(count) {
      const each = `seq ${count} | xargs -P ${parallelism} -n 1 docker run --rm --network none bench /bin/true`
      // seq gives each command its number as the argument of true.
      await run('sh', ['-c', each], { DOCKER_HOST: `unix://${socketPath}` })
    },
    async firstInstruction() {
      const askedAt = Date.now()
      const command = ['run', '--rm', '--network', 'none', 'bench', ...tellTime]
      return sinceAsked(askedAt, await run('docker', command, { DOCKER_HOST: `unix://${socketPath}` }))
    },
  }

  const stop = async (): Promise<void> => {
    agent.destroy()
    await daemon.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await until(`dockerd (its log: ${folder}/log)`, 60, () => call('GET', '/_ping').catch(() => undefined))
    const root = spawn('tar', ['-C', rootFolder, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] })
    await call('POST', '/images/create?fromSrc=-&repo=bench&tag=latest', root.stdout)
  } catch (error) {
    await stop()
    throw error
  }
  return { contenders: (await isInstalled('docker')) ? [api, client] : [api], stop }
}
