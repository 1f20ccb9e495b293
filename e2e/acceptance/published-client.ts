import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { all } from '../support/all.ts'
import { onKubernetes, type Platform } from '../support/platform.ts'
import { pythonPrograms } from '../support/python-environment.ts'

/** The supported clients on PyPI. `clients/NAME.txt` pins the versions of all their dependencies. */
export const clientNames = ['canfar-1.5.2', 'canfar-1.4.1', 'skaha-1.7.0'] as const
export type ClientName = (typeof clientNames)[number]

/**
 * The clients for suites beyond the wire. On a cluster, where the executor matters, and in CI only the newest one: library.test.ts
 * tests the requests of every client.
 */
export const clientsHere: readonly ClientName[] = all && !onKubernetes ? clientNames : ['canfar-1.5.2']

const folder = fileURLToPath(new URL('.', import.meta.url))

/** Exit code and output of a program. */
export interface Ending {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** An installed published client. Concurrent tests share one installation. */
export class PublishedClient {
  readonly #programs: string

  private constructor(programs: string) {
    this.#programs = programs
  }

  static async install(name: ClientName): Promise<PublishedClient> {
    return new PublishedClient(await pythonPrograms(join(folder, 'clients', `${name}.txt`)))
  }

  /** Runs Python with a script of this folder, or with other arguments such as `-c`. */
  python(args: readonly string[], environment: NodeJS.ProcessEnv, input?: string): Promise<Ending> {
    const [script = '', ...rest] = args
    const path = script.endsWith('.py') ? join(folder, script) : script
    return run(join(this.#programs, 'python'), [path, ...rest], environment, input)
  }

  /** Runs the command `canfar` of the client. */
  canfar(args: readonly string[], environment: NodeJS.ProcessEnv, input?: string): Promise<Ending> {
    return run(join(this.#programs, 'canfar'), args, environment, input)
  }

  /** Runs a shell script with the `canfar` and `python` of this client. */
  shell(script: string, environment: NodeJS.ProcessEnv, input?: string): Promise<Ending> {
    return shell(this.#programs, script, environment, input)
  }
}

const ourPrograms = join(folder, '../../bin')

/** Runs our command line. */
export const ourCanfar = (args: readonly string[], environment: NodeJS.ProcessEnv, input?: string): Promise<Ending> =>
  run(join(ourPrograms, 'canfar'), args, environment, input)

/** Runs a shell script with our `canfar`. */
export const ourShell = (script: string, environment: NodeJS.ProcessEnv): Promise<Ending> =>
  shell(ourPrograms, script, environment)

const shell = (programs: string, script: string, environment: NodeJS.ProcessEnv, input?: string): Promise<Ending> =>
  run('bash', ['-c', script], { ...environment, PATH: `${programs}:${environment['PATH'] ?? ''}` }, input)

/** The environment of a user of a published client: an own home, and variables with server and token. */
export async function clientEnvironment(platform: Platform, name: string, version = 'v1'): Promise<NodeJS.ProcessEnv> {
  return {
    ...(await emptyEnvironment(platform, name)),
    CANFAR_URL: `${platform.url}/skaha/${version}`,
    CANFAR_TOKEN: platform.token,
  }
}

/** The environment of a new user: an empty home, a terminal of 120 columns, no colours. */
export async function emptyEnvironment(platform: Platform, name: string): Promise<NodeJS.ProcessEnv> {
  const home = join(platform.folder, 'homes', name)
  await mkdir(home, { recursive: true })
  return {
    PATH: process.env['PATH'],
    HOME: home,
    COLUMNS: '120',
    TERM: 'dumb',
    NO_COLOR: '1',
    LANG: 'C.UTF-8',
    TZ: 'UTC',
  }
}

/** Runs a program to its end, also if it fails. */
export async function run(
  program: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  input = '',
): Promise<Ending> {
  const child = spawn(program, args, { env: environment, stdio: ['pipe', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text
    })
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, ...said }
}
