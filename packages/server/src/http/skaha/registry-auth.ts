import { WireError } from './wire-error.ts'

/**
 * `user:secret` from `X-Skaha-Registry-Auth`. The first `:` divides, so that a secret may hold others; the reference
 * server refuses those (wire contract 1.3). Pure. @throws {WireError}
 */
export function registryAuth(header: string | string[] | undefined): string | undefined {
  if (header === undefined || header === '') return undefined
  const text =
    typeof header === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(header) ? Buffer.from(header, 'base64').toString() : ''
  const divide = text.indexOf(':')
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  if (divide < 1 || divide === text.length - 1 || /[\u0000-\u001f\u007f\ufffd]/.test(text)) {
    throw new WireError(
      400,
      'Invalid input.  Must be in form of username:secret, in base64, in the header X-Skaha-Registry-Auth.',
    )
  }
  return text
}
