import type { ImageSource } from '../access/allowed.ts'

/** How a registry demands authentication (RFC 9110, 11.6.1; distribution's token specification). */
export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service?: string; readonly scope?: string }

/** Parses `WWW-Authenticate`; undefined where it names no scheme that registries use. Bearer precedes Basic. Pure. */
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

/** Registries whose documentation names another host for tokens. */
const knownTokenHosts: Readonly<Record<string, readonly string[]>> = {
  'docker.io': ['auth.docker.io'],
  'registry.gitlab.com': ['gitlab.com'],
}

/**
 * Whether the credentials of a registry may be sent to `realm` for a token: to the registry itself, and to hosts that the
 * operators allow. Over https, unless the registry itself is used over plain http. Pure.
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

/** The host of a registry's API. Docker Hub's images are named after another host. Pure. */
export const apiHost = (registry: string): string => (registry === 'docker.io' ? 'registry-1.docker.io' : registry)
