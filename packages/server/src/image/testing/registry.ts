import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { freePort } from '../../lib/free-port.ts'
import { runTool } from '../../lib/tool.ts'

/** A real registry of a test. */
export interface TestRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string
  /** `METHOD PATH` of every request so far, in order. */
  requests(): Promise<readonly string[]>
  /** Ends the process; its data stay for another {@link startRegistry} with the same folder and port. */
  stop(): Promise<void>
}

/** Starts Debian's docker-registry over plain http with its data in `folder`; with `account` it takes that password. */
export async function startRegistry(
  folder: string,
  { account, port }: { account?: { user: string; password: string }; port?: number } = {},
): Promise<TestRegistry> {
  const host = `127.0.0.1:${port ?? (await freePort())}`
  await mkdir(join(folder, 'data'), { recursive: true })
  const lines = [
    'version: 0.1',
    'log: {level: info, accesslog: {disabled: false}}',
    `storage: {filesystem: {rootdirectory: ${JSON.stringify(join(folder, 'data'))}}, delete: {enabled: true}}`,
    `http: {addr: ${JSON.stringify(host)}}`,
  ]
  if (account) {
    await writeFile(join(folder, 'htpasswd'), `${account.user}:${await bcrypt(account.password)}\n`)
    lines.push(`auth: {htpasswd: {realm: test, path: ${JSON.stringify(join(folder, 'htpasswd'))}}}`)
  }
  await writeFile(join(folder, 'config.yml'), `${lines.join('\n')}\n`)
  const logFile = join(folder, 'log')
  const log = createWriteStream(logFile, { flags: 'a' })
  await once(log, 'open')
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
    stdio: ['ignore', log, log],
    env: { PATH: process.env['PATH'] },
  })
  await Promise.race([once(child, 'spawn'), once(child, 'error').then(([error]) => Promise.reject(error as Error))])
  const ended = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
    log.close()
  }
  for (const deadline = Date.now() + 10_000; ; await setTimeout(20)) {
    const answer = await fetch(`http://${host}/v2/`).then(
      ({ status }) => status,
      () => 0,
    )
    if (answer === 200 || answer === 401) break
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop()
      throw new Error(`the registry did not start: ${await readFile(logFile, 'utf8')}`)
    }
  }
  const requests = async (): Promise<string[]> =>
    [...(await readFile(logFile, 'utf8')).matchAll(/"([A-Z]+) (\S+) HTTP\/1\.1" \d{3}/g)].map(
      (match) => `${match[1]} ${match[2]}`,
    )
  return { host, requests, stop }
}

/** Pushes an OCI archive as `path:tag`. */
export async function pushImage(
  archive: string,
  registry: Pick<TestRegistry, 'host'>,
  as: string,
  { account, format }: { account?: { user: string; password: string }; format?: 'oci' | 'v2s2' } = {},
): Promise<void> {
  // skopeo could unpack the archive itself, but only as root, since it sets the owners of the files.
  const layout = await mkdtemp(`${archive}-layout-`)
  await runTool('tar', ['-xf', archive, '-C', layout, '--no-same-owner'])
  await runTool('skopeo', [
    'copy',
    '--quiet',
    '--all',
    '--insecure-policy',
    '--dest-tls-verify=false',
    ...(account ? [`--dest-creds=${account.user}:${account.password}`] : []),
    ...(format ? [`--format=${format}`] : ['--preserve-digests']),
    `oci:${layout}`,
    `docker://${registry.host}/${as}`,
  ])
  await rm(layout, { recursive: true })
}

/** The output of htpasswd(1) for a password: perl-base, which Debian always has, calls libxcrypt. */
async function bcrypt(password: string): Promise<string> {
  const salt = '$2y$05$abcdefghijklmnopqrstuu'
  return (
    await runTool('perl', ['-e', 'chomp(my $word = <STDIN>); print crypt($word, $ARGV[0])', salt], { input: password })
  ).toString()
}
