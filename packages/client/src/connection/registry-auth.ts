/** Credentials for private images. The SDK sends them with every request (wire contract 1.3) and never stores them. */
export interface RegistryCredentials {
  readonly username: string
  readonly secret: string
}

/** The value of `X-Skaha-Registry-Auth`: base64 of `username:secret` in UTF-8. */
export function registryAuthHeader({ username, secret }: RegistryCredentials): string {
  const bytes = new TextEncoder().encode(`${username}:${secret}`)
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
}
