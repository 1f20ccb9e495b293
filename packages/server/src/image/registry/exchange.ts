import { readdir, readFile } from 'node:fs/promises'
import { Agent as HttpAgent, request as overHttp, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as overHttps } from 'node:https'
import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import { RegistryError } from './registry-error.ts'

/** A request to a registry, as data. */
export interface Question {
  readonly method: 'GET' | 'HEAD'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** An answer that was read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** Bytes that an answer may have: registries and their clients agree on 4 MiB for manifests, lists are paged. */
const answerLimit = 16 * 2 ** 20
/** How long one question to a registry may take, connection included. Milliseconds. */
const questionMilliseconds = 30_000

const proxyEnv = process.env
const plain = new HttpAgent({ keepAlive: true, proxyEnv })

/** Sends one question, follows nothing, and remembers nothing but open connections. @throws {RegistryError} or the signal's reason. */
export async function exchange(question: Question): Promise<Answer> {
  const { url, method, headers } = question
  const late = AbortSignal.timeout(questionMilliseconds)
  const signal = AbortSignal.any([question.signal, late])
  const open = url.protocol === 'https:' ? overHttps : overHttp
  const agent = url.protocol === 'https:' ? await agentFor(url.host) : plain
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      open(url, { method, headers: { 'user-agent': 'science-platform', ...headers }, agent, signal }, resolve)
        .on('error', reject)
        .end()
    })
    const parts: Buffer[] = []
    let bytes = 0
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length
      if (bytes > answerLimit)
        throw new RegistryError('invalid', `${shown(url)} answered with more than ${answerLimit} bytes`)
      parts.push(part)
    }
    return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }
  } catch (error) {
    if (question.signal.aborted) throw question.signal.reason
    if (error instanceof RegistryError) throw error
    const why = late.aborted ? `timed out after ${questionMilliseconds / 1000} s` : reasonOf(error)
    throw new RegistryError('unreachable', `${method} ${shown(url)}: ${why}`, { cause: error })
  }
}

/** An address without its query, which may hold what is nobody's business. */
export const shown = (url: URL): string => `${url.origin}${url.pathname}`

/** Connections that fail on every address of a host are one error around several. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}

const agents = new Map<string, Promise<HttpsAgent>>()

/** One for each registry, since each may have certificates of its own. */
function agentFor(host: string): Promise<HttpsAgent> {
  const known = agents.get(host) ?? authorities(host).then((ca) => new HttpsAgent({ keepAlive: true, proxyEnv, ca }))
  agents.set(host, known)
  return known
}

/** Who is trusted: as skopeo does, the machine's authorities and those in containers-certs.d(5). */
async function authorities(host: string): Promise<string[]> {
  const folder = join('/etc/containers/certs.d', host)
  const names = await readdir(folder).catch(() => [])
  const own = names.filter((name) => name.endsWith('.crt')).map((name) => readFile(join(folder, name), 'utf8'))
  return [...getCACertificates('default'), ...getCACertificates('system'), ...(await Promise.all(own))]
}
