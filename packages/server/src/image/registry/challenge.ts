import type { ImageSource } from '../access/allowed.ts'

/** How a registry wants to be told who asks (RFC 9110, 11.6.1; distribution's token specification). */
export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service?: string; readonly scope?: string }

/** Reads `WWW-Authenticate`; undefined where it names no scheme that registries use. Bearer goes before Basic. Pure. */
export function readChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined) return undefined
  const bearer = /(?:^|,\s*)bearer\s+(.*)$/i.exec(header)?.[1]
  if (bearer !== undefined) {
    const parameters = new Map(
      [...bearer.matchAll(/([a-z]+)="([^"]*)"/gi)].map(([, key = '', value = '']) => [key.toLowerCase(), value]),
    )
    const [realm, service, scope] = [parameters.get('realm'), parameters.get('service'), parameters.get('scope')]
    if (realm === undefined) return undefined
    return {
      scheme: 'bearer',
      realm,
      ...(service === undefined ? {} : { service }),
      ...(scope === undefined ? {} : { scope }),
    }
  }
  return /(?:^|,\s*)basic\b/i.test(header) ? { scheme: 'basic' } : undefined
}

/** Registries whose tokens come from another host by their own documentation. */
const knownTokenHosts: Readonly<Record<string, readonly string[]>> = {
  'docker.io': ['auth.docker.io'],
  'registry.gitlab.com': ['gitlab.com'],
}

/**
 * Whether a registry's tokens may be asked for at `realm`, which is where its credentials would go: at the registry
 * itself, or where the operators said. Over https, unless the registry itself is spoken to without. Pure.
 *
 * @param tokenHosts registry → hosts; the configuration's `images.tokenHosts`
 */
export function isRealmOf(
  source: Pick<ImageSource, 'registry' | 'plainHttp'>,
  realm: string,
  tokenHosts: Readonly<Record<string, readonly string[]>>,
): boolean {
  const url = URL.parse(realm)
  if (url === null || url.username !== '' || url.password !== '') return false
  if (url.protocol !== 'https:' && !(source.plainHttp && url.protocol === 'http:')) return false
  const own = [source.registry, apiHost(source.registry)]
  const others = Object.hasOwn(tokenHosts, source.registry)
    ? tokenHosts[source.registry]
    : knownTokenHosts[source.registry]
  return [...own, ...(others ?? [])].some((host) => URL.parse(`${url.protocol}//${host}`)?.host === url.host)
}

/** Docker Hub's images are named after one host and served by another. Pure. */
export const apiHost = (registry: string): string => (registry === 'docker.io' ? 'registry-1.docker.io' : registry)
