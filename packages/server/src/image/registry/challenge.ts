import type { ImageSource } from '../access/allowed.ts'

/** How a registry demands authentication (RFC 9110, 11.6.1; distribution's token specification). */
export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service?: string; readonly scope?: string }

/** One element of `WWW-Authenticate`: a scheme in lower case, and its parameters by their names in lower case. */
interface Element {
  readonly scheme: string
  readonly parameters: Map<string, string>
}

const tokenPattern = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
/** `name=` of a parameter. A token68 ends with `=`, which nothing but more `=`, a comma or the end follows. */
const namePattern = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?![=,]|[ \t]*$)/y
const quotedPattern = /"((?:[^"\\]|\\.)*)"?/y
/** Registries also send addresses without quotation marks, which are no tokens. */
const barePattern = /[^ \t,]*/y
const token68Pattern = /[0-9A-Za-z._~+/-]+=*[ \t]*(?=,|$)/y

/**
 * The challenges of `WWW-Authenticate`, in the order of the header, and only those of schemes that registries use. Several header
 * lines come joined by commas. Each challenge has its own parameters. Pure.
 */
export function readChallenges(header: string | undefined): readonly Challenge[] {
  return elementsOf(header ?? '').flatMap(({ scheme, parameters }): Challenge[] => {
    if (scheme === 'basic') return [{ scheme }]
    const realm = parameters.get('realm')
    if (scheme !== 'bearer' || realm === undefined) return []
    const [service, scope] = [parameters.get('service'), parameters.get('scope')]
    return [
      {
        scheme,
        realm,
        ...(service === undefined ? {} : { service }),
        ...(scope === undefined ? {} : { scope }),
      },
    ]
  })
}

function elementsOf(text: string): readonly Element[] {
  const elements: Element[] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (found !== null) at += found[0].length
    return found
  }
  for (;;) {
    take(/[ \t,]*/y)
    if (at >= text.length) return elements
    const name = take(namePattern)?.[1]
    if (name !== undefined) {
      const quoted = take(quotedPattern)?.[1]?.replaceAll(/\\(.)/g, '$1')
      const value = quoted ?? take(barePattern)?.[0] ?? ''
      const parameters = elements.at(-1)?.parameters
      // Of a parameter that occurs twice the first counts.
      if (parameters?.has(name.toLowerCase()) === false) parameters.set(name.toLowerCase(), value)
      continue
    }
    const scheme = take(tokenPattern)?.[0]
    // What is neither a parameter nor a scheme is skipped up to the next comma.
    if (scheme === undefined) {
      take(/[^,]*/y)
      continue
    }
    elements.push({ scheme: scheme.toLowerCase(), parameters: new Map() })
    take(/[ \t]+/y)
    take(token68Pattern)
  }
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
