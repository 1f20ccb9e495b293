import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { explainFailure } from './explain-failure.ts'

const causeOf = (...given: Parameters<typeof explainFailure>) => explainFailure(...given).cause
const failed = { image: 'r.test/a:1', registry: 'r.test' }
const fatal = (words: string): string => `time="2026-11-23T09:01:44Z" level=fatal msg="${words}"`

/** Messages of skopeo 1.9 and umoci 0.4.7 in trials with real registries. */
const table: readonly (readonly [string, string, string])[] = [
  [
    'image-not-found',
    'no such tag',
    fatal(
      String.raw`Error parsing image name \"docker://r.test/a:1\": reading manifest 1 in r.test/a: manifest unknown: manifest unknown`,
    ),
  ],
  [
    'image-not-found',
    'no such project',
    fatal(
      String.raw`Error parsing image name \"docker://r.test/a:1\": reading manifest 1 in r.test/a: name unknown: repository name not known to registry`,
    ),
  ],
  [
    'image-unauthorized',
    'no credentials',
    fatal(
      String.raw`Error parsing image name \"docker://r.test/a:1\": reading manifest 1 in r.test/a: unauthorized: authentication required`,
    ),
  ],
  [
    'image-unauthorized',
    'Docker Hub, private or missing',
    fatal('reading manifest 1 in docker.io/a/b: errors: denied: requested access to the resource is denied'),
  ],
  [
    'image-unauthorized',
    'token refused',
    fatal('Requesting bear token: invalid status code from registry 403 (Forbidden)'),
  ],
  [
    'image-unreachable',
    'nobody listens',
    fatal(
      String.raw`pinging container registry 127.0.0.1:5902: Get \"http://127.0.0.1:5902/v2/\": dial tcp 127.0.0.1:5902: connect: connection refused`,
    ),
  ],
  [
    'image-unreachable',
    'no https',
    fatal(
      String.raw`pinging container registry r.test: Get \"https://r.test/v2/\": http: server gave HTTP response to HTTPS client`,
    ),
  ],
  [
    'image-unreachable',
    'https alone',
    fatal('pinging container registry r.test: StatusCode: 400, Client sent an HTTP request to an HTTPS server.'),
  ],
  [
    'image-invalid',
    'layers of a type that Docker does not have',
    fatal(
      String.raw`initializing image from source docker://r.test/a:1: unsupported docker v2s2 media type: \"application/vnd.docker.image.rootfs.diff.tar.zstd\"`,
    ),
  ],
  [
    'image-unreachable',
    'no such host',
    fatal(
      String.raw`Get \"https://nosuch.invalid/v2/\": dial tcp: lookup nosuch.invalid on 10.255.255.53:53: no such host`,
    ),
  ],
  [
    'image-unreachable',
    'a certificate of its own',
    fatal(String.raw`Get \"https://r.test/v2/\": x509: certificate signed by unknown authority`),
  ],
  ['image-unreachable', 'a proxy without its server', fatal('received unexpected HTTP status: 502 Bad Gateway')],
  ['image-unreachable', 'too many', fatal('toomanyrequests: You have reached your pull rate limit')],
  ['image-unreachable', 'broken off', fatal('Error writing blob: happened during read: unexpected EOF')],
  ['image-unreachable', 'a question without an answer', fatal('context deadline exceeded')],
  [
    'disk-full',
    'fetching',
    fatal('writing blob: storing blob to file: write /d/oci-put-blob1: no space left on device'),
  ],
  ['disk-full', 'unpacking', '⨯ create rootfs: unpack layer: unpack entry: big: write: no space left on device'],
  [
    'image-invalid',
    'another content than its digest says',
    fatal('Error writing blob: Digest did not match, expected sha256:12, got sha256:34'),
  ],
  ['image-invalid', 'no gzip', '⨯ create rootfs: create gzip reader: gzip: invalid header'],
]

/** Failures of a registry that do not pass by themselves. */
const lasting = ['no https', 'https alone', 'a certificate of its own']

describe('a failure of skopeo or umoci', () => {
  for (const [code, name, words] of table) {
    it(`is ${code}: ${name}`, () => {
      const { cause, passes } = explainFailure(words, failed)
      assert.equal(cause.code, code)
      assert.ok(cause.message.length > 20 && cause.message.length < 200, cause.message)
      assert.ok(cause.hint)
      assert.equal(passes, code === 'image-unreachable' && !lasting.includes(name))
    })
  }

  it('for lack of credentials says how to store them, under the name that users write', () => {
    const { hint } = causeOf(fatal('unauthorized: authentication required'), {
      ...failed,
      registry: 'mirror:5000',
      host: 'r.test',
    })
    assert.match(hint ?? '', /canfar registry login r\.test$/)
  })

  it('that matches no row is quoted without the log format', () => {
    const { message } = causeOf(fatal(String.raw`something \"new\" happened`), failed)
    assert.equal(message, 'The image r.test/a:1 could not be read: something "new" happened')
    assert.match(causeOf('', failed).message, /gave no reason/)
  })

  it('on this machine alone is not explained as a failure of a registry', () => {
    assert.equal(causeOf('unpack layer: unexpected EOF', { image: 'r.test/a:1' }).code, 'image-invalid')
  })

  it('is not explained by a status number in the name of the image', () => {
    const words = fatal('reading manifest 404 in r.test/a: unauthorized: authentication required')
    assert.equal(causeOf(words, { image: 'r.test/a:404', registry: 'r.test' }).code, 'image-unauthorized')
  })
})
