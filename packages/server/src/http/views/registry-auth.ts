import { InvalidRequest } from '../../job/invalid.ts'

/**
 * `user:secret` for the registry of an image, from the header `X-Skaha-Registry-Auth`; both APIs take it. The first `:`
 * divides, so that a secret may hold others; the reference server refuses those (wire contract 1.3). Pure.
 * @throws {InvalidRequest} which does not repeat what it was.
 */
export function registryAuth(header: string | string[] | undefined): string | undefined {
  if (header === undefined || header === '') return undefined
  const text =
    typeof header === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(header) ? Buffer.from(header, 'base64').toString() : ''
  const divide = text.indexOf(':')
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  if (divide < 1 || divide === text.length - 1 || /[\u0000-\u001f\u007f\ufffd]/.test(text)) {
    throw new InvalidRequest(
      'X-Skaha-Registry-Auth',
      'Invalid input.  Must be in form of username:secret',
      'Encode it in base64 for the header X-Skaha-Registry-Auth.',
    )
  }
  return text
}
