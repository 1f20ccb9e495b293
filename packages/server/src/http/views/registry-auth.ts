import { InvalidRequest } from '../../job/invalid.ts'

/**
 * `user:secret` for the registry of an image, from the header `X-Skaha-Registry-Auth` of both APIs. It is split at the
 * first `:`, so a secret may contain more; the reference server refuses those (wire contract 1.3). Pure.
 * @throws {InvalidRequest} which does not contain the value.
 */
export function registryAuth(header: string | string[] | undefined): string | undefined {
  if (header === undefined || header === '') return undefined
  const text =
    typeof header === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(header) ? Buffer.from(header, 'base64').toString() : ''
  const divide = text.indexOf(':')
  // eslint-disable-next-line no-control-regex -- the pattern matches control characters
  if (divide < 1 || divide === text.length - 1 || /[\u0000-\u001f\u007f\ufffd]/.test(text)) {
    throw new InvalidRequest(
      'X-Skaha-Registry-Auth',
      'Invalid input.  Must be in form of username:secret',
      'Encode it in base64 for the header X-Skaha-Registry-Auth.',
    )
  }
  return text
}
