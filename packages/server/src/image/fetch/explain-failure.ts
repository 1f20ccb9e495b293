import type { Cause } from '@science-platform/contract'
import { machineArchitecture } from '../manifest.ts'
import type { RegistryError, RegistryFailure } from '../registry/registry-error.ts'

/** The image that a fetch, a load or a container start failed for. */
export interface FailedImage {
  /** The image's reference or the archive's path, for messages. */
  readonly image: string
  /** The registry that was contacted, or its alias; absent for failures of this machine alone. */
  readonly registry?: string
  /** The registry as users name it. @defaultValue `registry` */
  readonly host?: string
}

interface Explanation {
  /** Whether only a registry, or the network to it, can fail like this. */
  readonly remote: boolean
  readonly pattern: RegExp
  /** The failure of the platform's own requests to which the row applies. */
  readonly failure?: RegistryFailure
  readonly code: Cause['code']
  /** Whether the same request may succeed later. */
  readonly passes?: true
  /** @param found the matched parts; absent where the row applies by its failure */
  readonly message: (failed: FailedImage, found: RegExpExecArray | undefined) => string
  readonly hint: string | ((failed: FailedImage) => string)
}

/** The cause of a failure, and whether the same request may succeed later. */
export interface Explained {
  readonly cause: Cause
  readonly passes: boolean
}

const registryOf = ({ registry = '' }: FailedImage): string => `The registry ${registry}`

/**
 * What the messages of skopeo, umoci and containerd mean; the first row that matches counts. The messages come from
 * registries, from Go's network and TLS code and from the kernel, and no exit code distinguishes them.
 */
const explanations: readonly Explanation[] = [
  {
    remote: false,
    pattern: /no space left on device|disk quota exceeded/i,
    code: 'disk-full',
    message: ({ image }) => `The platform's disk has no room for the image ${image}.`,
    hint: 'Ask the operators of the platform to free space. A smaller image may still fit.',
  },
  {
    remote: false,
    pattern:
      /no image found in (manifest list|image index) for architecture|no match for platform in manifest|choosing (an )?image from manifest list/i,
    code: 'image-wrong-platform',
    message: ({ image }) => `The image ${image} is not made for the processors of this platform.`,
    hint: `Build it with \`docker build --platform linux/${machineArchitecture}\`, for instance.`,
  },
  {
    remote: true,
    pattern: /too ?many ?requests|status[^,]{0,30}\b429\b|rate limit/i,
    failure: 'busy',
    code: 'image-unreachable',
    passes: true,
    message: (failed) => `${registryOf(failed)} refuses more downloads for now (status 429).`,
    hint: 'Submit the job again later, with credentials for the registry if you have an account there.',
  },
  {
    remote: true,
    pattern:
      /unauthorized|authentication required|access to the resource is denied|\bdenied\b|status[^,]{0,30}\b40[13]\b|invalid username\/password|forbidden/i,
    failure: 'denied',
    code: 'image-unauthorized',
    message: (failed) => `${registryOf(failed)} refuses the image ${failed.image} without the right credentials.`,
    hint: ({ registry = '', host = registry }) =>
      `Check the name; if the image is private, store an account that may read it: canfar registry login ${host}`,
  },
  {
    remote: true,
    pattern:
      /manifest unknown|name unknown|repository name not known|name invalid|manifest .*not found|failed to resolve reference .*: not found|status[^,]{0,30}\b404\b/i,
    failure: 'missing',
    code: 'image-not-found',
    message: (failed) => `${registryOf(failed)} has no image ${failed.image}.`,
    hint: 'Check the name and the tag, letter by letter.',
  },
  {
    remote: true,
    pattern: /no such host|ENOTFOUND/i,
    code: 'image-unreachable',
    passes: true,
    message: (failed) => `${registryOf(failed)} does not exist: there is no such host.`,
    hint: 'Check the name of the registry.',
  },
  {
    remote: true,
    pattern: /server gave HTTP response to HTTPS client|speaks http, not https/i,
    code: 'image-unreachable',
    message: (failed) => `${registryOf(failed)} speaks http, not https.`,
    hint: 'If the registry may be used over plain http, the operators can list it under images.insecure.',
  },
  {
    remote: true,
    pattern: /Client sent an HTTP request to an HTTPS server|speaks https, not http/i,
    code: 'image-unreachable',
    message: (failed) => `${registryOf(failed)} speaks https, not http.`,
    hint: 'Ask the operators of the platform to remove the registry from images.insecure.',
  },
  {
    remote: false,
    pattern: /unsupported docker v2s2 media type: \\?"([^"\\]*)/i,
    code: 'image-invalid',
    message: ({ image }, found) =>
      `The image ${image} has layers of the type ${found?.[1] ?? ''}, which is none of Docker's.`,
    hint: 'Build it with the media types of OCI: docker buildx build --output type=image,oci-mediatypes=true,push=true …',
  },
  {
    remote: true,
    pattern: /x509:|tls:|certificate/i,
    code: 'image-unreachable',
    message: (failed) => `${registryOf(failed)} could not prove its identity: its TLS certificate is not accepted.`,
    hint: 'Ask the operators of the platform to check the certificate of the registry.',
  },
  {
    remote: true,
    pattern: /status[^,]{0,30}\b(5\d\d)\b/i,
    code: 'image-unreachable',
    passes: true,
    message: (failed, found) => `${registryOf(failed)} has a failure of its own (status ${found?.[1] ?? '5xx'}).`,
    hint: 'Submit the job again in a few minutes. If that fails, too, ask the operators of the registry.',
  },
  {
    remote: true,
    pattern:
      /connection refused|ECONN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|EPIPE|socket hang up|i\/o timeout|network is unreachable|no route to host|connection reset|connection timed out|TLS handshake timeout|deadline exceeded|timed out|unexpected EOF|: EOF|broken pipe|server misbehaving|temporary failure/i,
    failure: 'unreachable',
    code: 'image-unreachable',
    passes: true,
    message: (failed) => `${registryOf(failed)} could not be reached or broke off while the image was fetched.`,
    hint: 'Submit the job again in a few minutes. If that fails, too, ask the operators of the platform.',
  },
  {
    remote: true,
    pattern: /which is not its own/,
    failure: 'untrusted',
    code: 'image-unauthorized',
    message: (failed) =>
      `${registryOf(failed)} demands credentials for another site, and the platform does not send them there.`,
    hint: 'If that site issues the tokens of the registry, the operators can list it under images.tokenHosts.',
  },
]

/** Explains the failure of a request to a registry to the owner of the job. Pure. */
export function explainRegistryError({ failure, message }: RegistryError, failed: FailedImage): Explained {
  const rows = explanations.filter(({ code }) => failure === 'unreachable' && code === 'image-unreachable')
  const fallback = explanations.find((each) => each.failure === failure)
  return firstMatch(rows, message, failed) ?? (fallback && explained(fallback, failed)) ?? unreadable(message, failed)
}

/** Explains the standard error of skopeo or umoci to the owner of the job. Pure. */
export function explainFailure(stderr: string, failed: FailedImage): Explained {
  // Without a registry only local rows apply: a truncated archive is an "unexpected EOF", too.
  const rows = failed.registry === undefined ? explanations.filter(({ remote }) => !remote) : explanations
  return firstMatch(rows, stderr, failed) ?? unreadable(lastWords(stderr), failed)
}

function firstMatch(rows: readonly Explanation[], words: string, failed: FailedImage): Explained | undefined {
  for (const row of rows) {
    const found = row.pattern.exec(words)
    if (found !== null) return explained(row, failed, found)
  }
  return undefined
}

const explained = (
  { code, message, hint, passes }: Explanation,
  failed: FailedImage,
  found?: RegExpExecArray,
): Explained => ({
  cause: { code, message: message(failed, found), hint: typeof hint === 'string' ? hint : hint(failed) },
  passes: passes === true,
})

const unreadable = (why: string, { image }: FailedImage): Explained => ({
  cause: {
    code: 'image-invalid',
    message: `The image ${image} could not be read: ${why}`,
    hint: 'Build and push it again; images made by Docker, Podman or Buildah are fine.',
  },
  passes: false,
})

/** The last line of a tool's standard error, without its log format. Pure. */
function lastWords(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? ''
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replaceAll('\\"', '"') ?? line.replace(/^\s*[⨯✗]?\s*/, '')
  return message === '' ? 'the tools gave no reason' : message.slice(-500)
}
