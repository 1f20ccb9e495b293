import type { Cause } from '@science-platform/contract'

/** What failed: the image as the user wrote it, and the registry that was asked (what stands in for it, if anything does). */
export interface FailedImage {
  readonly image: string
  /** Absent for the local store. */
  readonly registry?: string
}

interface Explanation {
  readonly pattern: RegExp
  readonly code: Cause['code']
  readonly message: (failed: FailedImage) => string
  readonly hint: string
}

const registryOf = ({ registry }: FailedImage): string =>
  registry === undefined ? 'The registry' : `The registry ${registry}`

/**
 * What the words of skopeo and umoci mean; the first row that matches counts. They come from registries, from Go's network
 * and TLS code and from the kernel, so no program's exit code tells them apart.
 */
const explanations: readonly Explanation[] = [
  {
    pattern: /no space left on device|disk quota exceeded/i,
    code: 'disk-full',
    message: ({ image }) => `The platform's disk has no room for the image ${image}.`,
    hint: 'Tell the operators of the platform. A smaller image may still fit.',
  },
  {
    pattern: /no image found in (manifest list|image index) for architecture|choosing (an )?image from manifest list/i,
    code: 'image-wrong-platform',
    message: ({ image }) => `The image ${image} is not made for this platform's kind of processor.`,
    hint: 'Build it for linux/amd64, for instance with `docker build --platform linux/amd64`.',
  },
  {
    pattern: /too ?many ?requests|\b429\b|rate limit/i,
    code: 'image-unreachable',
    message: (failed) => `${registryOf(failed)} refuses more downloads for now.`,
    hint: 'Submit the job again later, with credentials for the registry if you have an account there.',
  },
  {
    pattern:
      /unauthorized|authentication required|access to the resource is denied|\bdenied\b|\b40[13]\b|invalid username\/password|forbidden/i,
    code: 'image-unauthorized',
    message: (failed) =>
      `${registryOf(failed)} does not hand out the image ${failed.image} without the right credentials.`,
    hint: 'Check the name; if the image is private, give user name and secret of an account that may read it.',
  },
  {
    pattern:
      /manifest unknown|name unknown|repository name not known|name invalid|manifest .*not found|status code 404|\b404\b/i,
    code: 'image-not-found',
    message: (failed) => `${registryOf(failed)} has no image ${failed.image}.`,
    hint: 'Check the name and the tag, letter by letter.',
  },
  {
    pattern: /no such host/i,
    code: 'image-unreachable',
    message: (failed) => `${registryOf(failed)} is not known: there is no such host.`,
    hint: 'Check the name of the registry.',
  },
  {
    pattern: /server gave HTTP response to HTTPS client/i,
    code: 'image-unreachable',
    message: (failed) => `${registryOf(failed)} does not speak https.`,
    hint: 'If plain http is all right there, the operators can list it under images.insecure.',
  },
  {
    pattern: /x509:|tls:|certificate/i,
    code: 'image-unreachable',
    message: (failed) => `${registryOf(failed)} could not prove who it is (its TLS certificate is not accepted).`,
    hint: 'Tell the operators of the platform.',
  },
  {
    pattern:
      /connection refused|i\/o timeout|network is unreachable|no route to host|connection reset|connection timed out|TLS handshake timeout|deadline exceeded|timed out|unexpected EOF|: EOF|broken pipe|\b5\d\d (internal|bad|service|gateway)|status( code)?:? 5\d\d|server misbehaving|temporary failure/i,
    code: 'image-unreachable',
    message: (failed) => `${registryOf(failed)} could not be reached or broke off while the image was fetched.`,
    hint: 'Submit the job again in a few minutes; if it goes on, tell the operators of the platform.',
  },
]

/** What skopeo's or umoci's last words mean for the owner of the job. Pure. */
export function explainFailure(stderr: string, failed: FailedImage): Cause {
  const row = explanations.find(({ pattern }) => pattern.test(stderr))
  if (row) return { code: row.code, message: row.message(failed), hint: row.hint }
  return {
    code: 'image-invalid',
    message: `The image ${failed.image} could not be read: ${lastWords(stderr)}`,
    hint: 'Build and push it again; images made by Docker, Podman or Buildah are fine.',
  }
}

/** The end of what a tool said, without the decoration of its log format. Pure. */
function lastWords(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? ''
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replaceAll('\\"', '"') ?? line.replace(/^\s*[⨯✗]?\s*/, '')
  return message === '' ? 'the tools gave no reason' : message.slice(-500)
}
