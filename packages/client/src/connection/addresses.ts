/** The addresses of one server, all without a trailing slash. */
export interface ServerAddresses {
  /** The root of the server: `http://127.0.0.1:8080`. */
  readonly root: string
  /** The skaha service: `http://127.0.0.1:8080/skaha`. */
  readonly skaha: string
  /** The version of the skaha wire: `v1`. */
  readonly version: string
  /** The skaha service with its version: `http://127.0.0.1:8080/skaha/v1`. */
  readonly session: string
  /** Our own API: `http://127.0.0.1:8080/api/v1`. */
  readonly api: string
}

/**
 * The addresses of a server from any one of them: its root, its skaha service with or without a version, or its API.
 * Throws TypeError when the text is not an http(s) URL.
 */
export function serverAddresses(text: string): ServerAddresses {
  const url = parse(text)
  const path = url.pathname.replace(/\/+$/, '')
  const skaha = /^(?<before>.*?)\/skaha(?:\/(?<version>v\d+(?:\.\d+)*))?$/.exec(path)?.groups
  const before = skaha?.['before'] ?? path.replace(/\/api\/v1$/, '')
  const version = skaha?.['version'] ?? 'v1'
  const root = `${url.protocol}//${url.host}${before}`
  return { root, skaha: `${root}/skaha`, version, session: `${root}/skaha/${version}`, api: `${root}/api/v1` }
}

function parse(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.host === '')
    throw new TypeError(`'${text}' is not a server address; it must look like https://batch.example.org`)
  return url
}
