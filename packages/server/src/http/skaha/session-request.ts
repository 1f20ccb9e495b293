import { jobScopes, type JobRequest, type JobScope, type PlatformContext } from '@science-platform/contract'
import { parseEnvironment } from '../../job/environment.ts'
import { queueWishes } from './queue-wishes.ts'
import type { ImageReference } from '../../job/image-reference.ts'
import { shown } from '../../job/invalid.ts'
import { jobName } from '../../job/name.ts'
import type { Parameters } from './parameters.ts'
import { WireError } from './wire-error.ts'

/** Kinds of interactive sessions on the reference server. */
const interactiveKinds = ['desktop', 'notebook', 'carta', 'contributed', 'firefly', 'desktop-app']

/** All kinds that a `type` parameter may name. */
export const sessionKinds: readonly string[] = ['headless', ...interactiveKinds]

/**
 * The job request of a `POST /session`. The checks have the order and the texts of the reference server, followed by a
 * hint (wire contract 6). `jobsOf` does the remaining checks.
 * @param checkImage parses the image; throws where it is not allowed.
 * @throws {WireError} or {InvalidRequest}
 */
export function sessionRequest(
  parameters: Parameters,
  context: PlatformContext,
  checkImage: (image: string) => ImageReference,
): Omit<JobRequest, 'image'> & { readonly image: ImageReference } {
  const image = imageOf(parameters, checkImage)
  checkKind(parameters.text('type') ?? 'headless')
  const cores = offered('cores', parameters.text('cores'), context.cores.options)
  const memoryGb = offered('ram', parameters.text('ram'), context.memoryGB.options)
  const name = parameters.text('name')
  if (name === undefined) throw new WireError(400, "Missing parameter 'name'. Name the session, such as my-job-1.")
  jobName(name)
  const gpus = offered('gpus', parameters.text('gpus'), [0, ...context.gpus.options])
  const cmd = parameters.text('cmd')
  const args = parameters.text('args')
  const env = parameters.all('env')
  return {
    name,
    image,
    ...(cores === undefined ? {} : { cores }),
    ...(memoryGb === undefined ? {} : { memoryGb }),
    ...(gpus === undefined ? {} : { gpus }),
    ...(cmd === undefined ? {} : { cmd }),
    ...(args === undefined ? {} : { args }),
    ...(env.length === 0 ? {} : { env: parseEnvironment(env) }),
    ...jobTokenOf(parameters.text('jobtoken')),
    ...queueWishes(parameters),
  }
}

/** Extension of the wire: `true`, or scopes separated by commas (docs/wire.md). */
function jobTokenOf(text: string | undefined): Pick<JobRequest, 'jobToken'> {
  if (text === undefined) return {}
  const word = text.trim().toLowerCase()
  if (word === 'true' || word === 'false') return { jobToken: word === 'true' }
  const scopes = word.split(',').map((scope) => scope.trim())
  const isJobScope = (scope: string): scope is JobScope => (jobScopes as readonly string[]).includes(scope)
  if (scopes.every(isJobScope)) return { jobToken: scopes }
  throw new WireError(400, `Invalid value for 'jobtoken'. Use true, or some of ${jobScopes.join(',')}.`)
}

function imageOf(parameters: Parameters, checkImage: (image: string) => ImageReference): ImageReference {
  const example = 'Name a container image, such as images.canfar.net/skaha/astroml:latest.'
  if (parameters.first('image') === undefined) throw new WireError(400, `Missing parameter 'image'. ${example}`)
  const image = parameters.text('image')
  if (image === undefined) throw new WireError(400, `image is required. ${example}`)
  return checkImage(image.trim())
}

function checkKind(type: string): void {
  const kind = type.toLowerCase()
  if (kind === 'headless') return
  if (interactiveKinds.includes(kind)) {
    throw new WireError(400, `Invalid session type: ${kind}. This platform runs headless sessions; use type=headless.`)
  }
  throw new WireError(400, `Invalid session type: ${shown(type)}. Use type=headless, or leave type out.`)
}

/** A whole number on offer. Fractions are refused; the reference server ignores them only in its check. */
function offered(name: string, text: string | undefined, options: readonly number[]): number | undefined {
  if (text === undefined) return undefined
  const value = /^\s*\+?\d{1,9}(\.0+)?\s*$/.test(text) ? Number(text) : Number.NaN
  if (options.includes(value)) return value
  const [least = 0, most = 0] = [options.at(0), options.at(-1)]
  const offer = most === 0 ? `this platform has none, leave ${name} out` : `a whole number from ${least} to ${most}`
  throw new WireError(400, `Invalid value for '${name}': ${text.length > 40 ? shown(text) : text}. On offer: ${offer}.`)
}
