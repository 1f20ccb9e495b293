import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import Type, { type Static } from 'typebox'

/** The `exec` of a kubeconfig's user (client.authentication.k8s.io): a program that prints credentials. */
export const ExecPluginShape = Type.Object({
  apiVersion: Type.String({ pattern: '^client\\.authentication\\.k8s\\.io/' }),
  command: Type.String({ minLength: 1 }),
  args: Type.Optional(Type.Array(Type.String())),
  env: Type.Optional(Type.Array(Type.Object({ name: Type.String(), value: Type.String() }))),
  provideClusterInfo: Type.Optional(Type.Boolean()),
  installHint: Type.Optional(Type.String()),
})
type ExecPlugin = Static<typeof ExecPluginShape>

/** The cluster that an exec plugin prints a credential for. */
export interface PluginCluster {
  readonly server: string
  /** The certificate authority of the server, as PEM. */
  readonly ca: string | undefined
  readonly 'tls-server-name'?: string
  readonly 'insecure-skip-tls-verify'?: boolean
  readonly 'proxy-url'?: string
  readonly extensions?: readonly { readonly name: string; readonly extension?: unknown }[]
}

/** The credential that an exec plugin printed. */
export interface Credential {
  readonly token?: string
  readonly cert?: string
  readonly key?: string
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number
}

interface ExecCredential {
  readonly status?: {
    readonly token?: string
    readonly clientCertificateData?: string
    readonly clientKeyData?: string
    readonly expirationTimestamp?: string
  }
}

const run = promisify(execFile)

/**
 * Runs an exec plugin.
 *
 * @param cluster passed to plugins with `provideClusterInfo`.
 * @param folder of the kubeconfig: a command with a slash is relative to it.
 * @throws where the plugin is missing, fails, or prints no credential.
 */
export async function runExecPlugin(
  { apiVersion, command, args = [], env = [], provideClusterInfo = false, installHint = '' }: ExecPlugin,
  cluster: PluginCluster,
  folder: string,
): Promise<Credential> {
  const spec = { interactive: false, ...(provideClusterInfo ? { cluster: clusterInfo(cluster) } : {}) }
  const info = JSON.stringify({ apiVersion, kind: 'ExecCredential', spec })
  const program = command.includes('/') ? resolve(folder, command) : command
  // The cause of the error stays out: it has the output of the plugin, perhaps with a token.
  const fault = (what: string): Error =>
    new Error(`The kubeconfig's exec plugin ${command} ${what}${installHint === '' ? '' : `. ${installHint}`}`)
  let answer: ExecCredential
  try {
    const { stdout } = await run(program, args, {
      timeout: 60_000,
      maxBuffer: 2 ** 20,
      env: {
        ...process.env,
        KUBERNETES_EXEC_INFO: info,
        ...Object.fromEntries(env.map(({ name, value }) => [name, value])),
      },
    })
    answer = JSON.parse(stdout) as ExecCredential
  } catch (error) {
    if (error instanceof SyntaxError) throw fault('printed something other than an ExecCredential')
    const { code, stderr = '' } = error as { code?: unknown; stderr?: string }
    if (code === 'ENOENT') throw fault('does not exist')
    throw fault(`failed: ${stderr.trim().slice(0, 300) || (error as Error).message}`)
  }
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp } = answer.status ?? {}
  if (!token && !cert) throw fault('printed neither a token nor a certificate')
  const expiresAt = expirationTimestamp === undefined ? NaN : Date.parse(expirationTimestamp)
  return {
    ...(token ? { token } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(Number.isNaN(expiresAt) ? {} : { expiresAt }),
  }
}

/** The cluster as an ExecCredential has it (client.authentication.k8s.io/v1 Cluster), without absent keys. Pure. */
function clusterInfo({ ca, extensions = [], ...cluster }: PluginCluster): Readonly<Record<string, unknown>> {
  return {
    server: cluster.server,
    'tls-server-name': cluster['tls-server-name'],
    'insecure-skip-tls-verify': cluster['insecure-skip-tls-verify'],
    'proxy-url': cluster['proxy-url'],
    'certificate-authority-data': ca === undefined ? undefined : Buffer.from(ca).toString('base64'),
    // Configuration for plugins alone.
    config: extensions.find(({ name }) => name === 'client.authentication.k8s.io/exec')?.extension,
  }
}
