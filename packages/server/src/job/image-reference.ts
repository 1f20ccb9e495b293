/** Where an image is: in a registry, or under `localhost` in the local store. */
export interface ImageReference {
  /** `host` or `host:port`; `localhost` without a port is the local store. */
  readonly registry: string
  /** `project/name`, lower case. */
  readonly path: string
  /** `latest` where the reference has neither tag nor digest. */
  readonly tag?: string
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest?: string
}

/** Why a text is not a reference, and what to write instead. */
export interface ReferenceFault {
  readonly fault: string
  readonly hint: string
}

/** The registry name of the local store. */
export const localRegistry = 'localhost'

/** Longest path of an image, as registries have it (distribution specification; Docker's limit). */
const pathLimit = 255

const label = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?'
const hostPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[0-9A-Fa-f:.]+\\])(?::([0-9]{1,5}))?$`)
const componentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const digestPattern = /^sha256:[0-9a-f]{64}$/

/** Whether the first part of a reference is a host, by Docker's rule: `ubuntu:22.04` and `a/b` have no host. */
const namesHost = (part: string): boolean => part.toLowerCase() === localRegistry || /[.:]/.test(part)

/**
 * Reads `host[:port]/path[:tag][@digest]`. Pure.
 *
 * @example parseReference('images.canfar.net/skaha/astroml:24.07')
 */
export function parseReference(text: string): ImageReference | ReferenceFault {
  const wrong = (what: string, hint: string): ReferenceFault => ({ fault: `image '${shown(text)}' ${what}`, hint })
  const example = 'An image is written host/project/name:tag, or localhost/name:tag for one in the local store.'

  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : text.slice(at + 1)
  const named = at < 0 ? text : text.slice(0, at)
  if (digest !== undefined && !digestPattern.test(digest)) {
    return wrong(
      'has a digest that is not sha256: and 64 hexadecimal digits',
      'Copy the digest from the registry, or leave out @ and what follows.',
    )
  }
  const slash = named.indexOf('/')
  const registry = named.slice(0, Math.max(slash, 0))
  if (slash < 0 || !namesHost(registry)) return wrong('does not say which registry it comes from', example)
  if (!isHost(registry)) {
    return wrong(`names a registry '${shown(registry)}' that is not a host name with an optional port`, example)
  }
  const rest = named.slice(slash + 1)
  const colon = rest.indexOf(':')
  const path = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? (digest === undefined ? 'latest' : undefined) : rest.slice(colon + 1)
  if (tag !== undefined && !tagPattern.test(tag)) {
    return wrong(
      `has a bad tag '${shown(tag)}'`,
      'A tag is 1 to 128 letters, digits, dots, hyphens and underscores, and starts with none of . and -.',
    )
  }
  if (path === '') return wrong('has no name after the registry', example)
  if (path.length > pathLimit)
    return wrong(`has a path of ${path.length} characters`, `The path may have ${pathLimit}.`)
  const bad = path.split('/').find((part) => !componentPattern.test(part))
  if (bad !== undefined) {
    const lower = bad.toLowerCase()
    return wrong(
      `has a bad part '${shown(bad)}' in its path`,
      lower !== bad && componentPattern.test(lower)
        ? `Names of images are lower case: write '${lower}'.`
        : 'Parts of the path are lower-case letters and digits, with single dots, underscores or hyphens between them.',
    )
  }
  // Host names ignore case (RFC 4343), and the configuration lists them in lower case.
  return {
    registry: registry.toLowerCase(),
    path,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  }
}

/** Whether a text is a host with an optional port. Pure. */
export function isHost(text: string): boolean {
  const host = hostPattern.exec(text)
  return host !== null && Number(host[1] ?? 1) >= 1 && Number(host[1] ?? 1) <= 65_535
}

/** The text of a reference, which {@link parseReference} parses to the same reference. Pure. */
export function printReference({ registry, path, tag, digest }: ImageReference): string {
  return `${registry}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** Whether the image is in the local store and in no registry. */
export const isLocal = (reference: ImageReference): boolean => reference.registry === localRegistry

/** A text for a message: control characters escaped, long texts cut. */
function shown(text: string): string {
  // eslint-disable-next-line no-control-regex -- finds control characters
  const visible = text.replaceAll(/[\u0000-\u001f\u007f]/g, (character) => JSON.stringify(character).slice(1, -1))
  return visible.length > 100 ? `${visible.slice(0, 100)}…` : visible
}
