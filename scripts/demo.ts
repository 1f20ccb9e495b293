/**
 * `npm run demo`: a real astronomy job on this machine, from image to result, with the commands of a user. It builds a container
 * image, starts the platform, submits one job per frame of the sky, follows the jobs, shows catalogues and usage, and stops the
 * platform. The second run reuses the image and takes seconds. Ctrl-C stops the demo and everything that it started.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Job } from '@science-platform/contract'
import { Jobs } from '../packages/client/src/index.ts'
import { demoFolder } from './demo/folder.ts'
import { firstRows, parseCatalogue, usageTable } from './demo/results.ts'
import { command, heading, line, sentence, showing } from './demo/screen.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const example = join(root, 'examples/source-extractor')
const folder = demoFolder(root)
const dataDir = join(folder, 'data')
const project = join(dataDir, 'arc/projects/demo')
const image = 'localhost/astro/source-extractor:1'
const steps = 5

const stopped = new AbortController()
// Handles repeated signals: the terminal and npm both send Ctrl-C to this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopped.abort(signal))

/** Runs a program to its end and returns its output. Ctrl-C ends it. */
async function run(program: string, args: readonly string[], env?: Record<string, string>): Promise<string> {
  const options = { env: { ...process.env, ...env }, signal: stopped.signal, killSignal: 'SIGTERM' as const }
  const { stdout } = await promisify(execFile)(program, args, options)
  return stdout.trim()
}
const administer = (...args: readonly string[]): Promise<string> =>
  run(join(root, 'bin/science-platform'), [...args, '--data', dataDir])

/** A path relative to the checkout. */
const shown = (path: string): string =>
  path.startsWith(root) ? relative(root, path) : path.replace(new RegExp(`^${homedir()}/`), '~/')

async function provideImage(): Promise<void> {
  // The checkout may belong to another user who has built the image already.
  const beside = join(root, '.demo/image.tar')
  const archive = existsSync(beside) ? beside : join(folder, 'image.tar')
  if (!existsSync(archive)) {
    const building = run(join(example, 'build-image'), [archive])
    await showing('building it, once, from Debian packages (about 40 s)', building)
  }
  const known = JSON.parse(await administer('image', 'list', '--json')) as { reference: string }[]
  if (!known.some(({ reference }) => reference === image)) {
    await showing('loading it into the local store', administer('image', 'load', archive, '--as', image))
  }
  line(image, `(from ${shown(archive)}, kept for the next time)`)
}

/** Creates a user and a project of the group `demo` with the frames and the script. Returns a token of the user. */
async function provideProject(): Promise<string> {
  const users = JSON.parse(await administer('user', 'list', '--json')) as { name: string }[]
  if (!users.some(({ name }) => name === 'demo')) await administer('user', 'add', 'demo', '--group', 'demo')
  rmSync(join(project, 'catalogues'), { recursive: true, force: true })
  for (const name of readdirSync(join(example, 'frames'))) {
    copyFileSync(join(example, 'frames', name), join(project, name))
    chmodSync(join(project, name), 0o644)
  }
  copyFileSync(join(example, 'extract'), join(project, 'extract'))
  chmodSync(join(project, 'extract'), 0o755)
  return administer('token', 'create', 'demo', '--expires', '1d')
}

/** Starts the platform in its own process group, so that Ctrl-C does not stop it before the jobs. */
async function startPlatform(): Promise<{ url: string; server: ChildProcess }> {
  const args = ['serve', '--data', dataDir, '--listen', '127.0.0.1:0']
  const server = spawn(join(root, 'bin/science-platform'), args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lastWords: string[] = []
  createInterface({ input: server.stderr }).on('line', (words) => {
    // Its log is JSON. Other lines are for people, such as the reason of a failed start.
    if (!words.startsWith('{')) sentence(words)
    lastWords.push(words)
    lastWords.splice(0, lastWords.length - 10)
  })
  const listening = new Promise<string>((resolve, reject) => {
    createInterface({ input: server.stdout }).on('line', (words) => {
      const url = /^listening on (\S+)$/.exec(words)?.[1]
      if (url !== undefined) resolve(url)
    })
    server.once('error', reject)
    server.once('exit', (code) => reject(new Error(`the platform ended with ${code}:\n${lastWords.join('\n')}`)))
  })
  return { url: await listening, server }
}

async function stopPlatform(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  server.kill('SIGTERM')
  await once(server, 'exit')
}

/** Prints the output of a job until its end, each line with the name of the job. */
async function follow(jobs: Jobs, job: Job): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of jobs.logs(job.id, { follow: true, signal: stopped.signal })) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const words of lines) line(`${job.name} | ${words}`)
  }
  if (rest !== '') line(`${job.name} | ${rest}`)
}

/** Shows the first rows of a catalogue. Returns whether it equals the output of source-extractor without the platform. */
function showCatalogue(path: string): boolean {
  const text = readFileSync(path, 'utf8')
  const catalogue = parseCatalogue(text)
  const same = text === readFileSync(join(example, 'catalogues', basename(path)), 'utf8')
  const verdict = same ? 'the same catalogue' : 'NOT the catalogue'
  console.log(`\n${shown(path)}`)
  console.log(`  ${catalogue.rows.length} sources, ${verdict} that source-extractor writes when run by hand:`)
  console.log(firstRows(catalogue, 4))
  return same
}

/** Submits the jobs and follows them to their end. */
async function runJobs(url: string, token: string): Promise<readonly Job[]> {
  const jobs = new Jobs({ url, token })
  const login = { CANFAR_URL: url, CANFAR_TOKEN: token }
  const script = ['python3', '/arc/projects/demo/extract', '/arc/projects/demo']
  const options = ['--name', 'extract', '--replicas', '2', '--cpu', '1', '--memory', '1']
  const create = ['create', 'headless', image, ...options, '--', ...script]
  heading(3, steps, 'One job per frame')
  command(['bin/canfar', ...create])
  const ids = JSON.parse(await run(join(root, 'bin/canfar'), ['--json', ...create], login)) as string[]
  try {
    heading(4, steps, 'Output of the jobs')
    for (const id of ids) command(['bin/canfar', 'logs', '-f', id])
    const submitted = await Promise.all(ids.map((id) => jobs.get(id)))
    await Promise.all(submitted.map((job) => follow(jobs, job)))
    return await jobs.wait(ids, { signal: stopped.signal })
  } catch (error) {
    if (stopped.signal.aborted) {
      await Promise.all(ids.map((id) => jobs.cancel(id)))
      await jobs.wait(ids)
    }
    throw error
  }
}

/** Shows results and usage of the jobs. Returns whether all are correct. */
function showResults(ended: readonly Job[]): boolean {
  heading(5, steps, 'Results, and used and requested resources')
  line(...usageTable(ended).split('\n'))
  for (const { name, state, cause } of ended) {
    if (state !== 'succeeded') sentence(`${name}: ${cause?.message ?? ''} ${cause?.hint ?? ''}`)
  }
  if (!ended.every((job) => job.state === 'succeeded')) return false
  const catalogues = readdirSync(join(project, 'catalogues')).filter((name) => name.endsWith('.cat'))
  return catalogues.map((name) => showCatalogue(join(project, 'catalogues', name))).every(Boolean)
}

function showWhatNext(): void {
  console.log(`
Everything is in ${shown(folder)}/
(delete it when you are done). To go on from here:

  bin/science-platform serve --data ${shown(dataDir)}
  bin/science-platform token create demo --data ${shown(dataDir)}
  bin/canfar auth login --server http://127.0.0.1:8080    # asks for that token
  bin/canfar ps -a                                     # the jobs you just saw
  bin/canfar create headless ${image} \\
      --follow -- sh -c 'id; nproc; ls -l /arc/projects/demo'

The frames and the script are in examples/source-extractor/; README.md goes on.`)
}

async function demo(): Promise<boolean> {
  console.log('Two frames of the sky, one job each, on this machine.')
  mkdirSync(folder, { recursive: true })
  heading(1, steps, 'The container image: Debian 12 with source-extractor and python3')
  await provideImage()
  heading(2, steps, 'The platform')
  const token = await provideProject()
  const { url, server } = await startPlatform()
  try {
    command(['bin/science-platform', 'serve', '--data', shown(dataDir)])
    line(`listening on ${url}`)
    const good = showResults(await runJobs(url, token))
    if (good) showWhatNext()
    return good
  } finally {
    await stopPlatform(server)
  }
}

try {
  process.exitCode = (await demo()) ? 0 : 1
} catch (error) {
  if (stopped.signal.aborted) {
    console.error('\ndemo: stopped; nothing is left running')
    process.exitCode = 130
  } else {
    const { message, stderr } = error as Error & { stderr?: string }
    console.error(`\ndemo: ${message}${stderr === undefined || message.includes(stderr.trim()) ? '' : `\n${stderr}`}`)
    process.exitCode = 1
  }
}
