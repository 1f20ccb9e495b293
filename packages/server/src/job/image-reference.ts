/**
 * Names an image in a registry, or under `localhost` in the local store. Text is parsed once, at the border: HTTP, command
 * line, configuration, a stored row or file. Inside, references travel as values of this type.
 */
export interface ImageReference {
  /** `host` or `host:port`; `localhost` without a port is the local store. */
  readonly registry: string
  /** `project/name`, lower case. */
  readonly path: string
  /** `latest` where the text has neither tag nor digest. */
  readonly tag?: string
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest?: string
}

/** Why a text is not a reference, and how to correct it. */
export interface ReferenceFault {
  readonly fault: string
  readonly hint: string
}

/** The registry name of the local store. */
export const localRegistry = 'localhost'

/** Longest path of an image in characters (distribution specification; Docker's limit). */
const pathLimit = 255

const label = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?'
const hostPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[0-9A-Fa-f:.]+\\])(?::([0-9]{1,5}))?$`)
const componentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const digestPattern = /^sha256:[0-9a-f]{64}$/

/** How other tools say where an image comes from: `docker://`, `https://`, `docker-archive:`. A host with a port has digits there. */
const transportPattern =
  /^(?:[A-Za-z][A-Za-z0-9+.-]*:\/\/|(?:docker|docker-archive|docker-daemon|oci|oci-archive|containers-storage):(?![0-9]+\/))/i

/** Whether the first part of a reference is a host. By Docker's rule `ubuntu:22.04` and `a/b` have none. */
const namesHost = (part: string): boolean => part.toLowerCase() === localRegistry || /[.:]/.test(part)

/**
 * Parses `host[:port]/path[:tag][@digest]`. Pure.
 *
 * @example parseReference('images.canfar.net/skaha/astroml:24.07')
 */
export function parseReference(text: string): ImageReference | ReferenceFault {
  const wrong = (what: string, hint: string): ReferenceFault => ({ fault: `image '${shown(text)}' ${what}`, hint })
  const example = 'An image is written host/project/name:tag, or localhost/name:tag for one in the local store.'

  const transport = transportPattern.exec(text)?.[0]
  if (transport !== undefined)
    return wrong(
      `begins with ${transport}`,
      `Leave ${transport} out: '${shown(text.slice(transport.length))}'. ${example}`,
    )
  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : text.slice(at + 1)
  const named = at < 0 ? text : text.slice(0, at)
  if (digest !== undefined && !digestPattern.test(digest)) {
    return wrong(
      'has a digest that is not sha256: and 64 hexadecimal digits',
      'Copy the digest from the registry, or remove @ and what follows it.',
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
      'A tag has 1 to 128 letters, digits, dots, hyphens and underscores, and does not start with a dot or a hyphen.',
    )
  }
  if (path === '') return wrong('has no name after the registry', example)
  if (path.length > pathLimit)
    return wrong(`has a path of ${path.length} characters`, `Use a path of at most ${pathLimit} characters.`)
  const bad = path.split('/').find((part) => !componentPattern.test(part))
  if (bad !== undefined) {
    const lower = bad.toLowerCase()
    return wrong(
      `has a bad part '${shown(bad)}' in its path`,
      lower !== bad && componentPattern.test(lower)
        ? `Image names are lower case: write '${lower}'.`
        : 'Use lower-case letters and digits, with single dots, underscores or hyphens between them.',
    )
  }
  // Host names ignore case (RFC 4343), and the policy compares them.
  return {
    registry: registry.toLowerCase(),
    path,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  }
}

/**
 * The reference of a text that this platform printed before, such as a stored row. Pure.
 * @throws Error when the text is not a reference
 */
export function requireReference(text: string): ImageReference {
  const reference = parseReference(text)
  if ('fault' in reference) throw new Error(`${reference.fault}. ${reference.hint}`)
  return reference
}

/** Stands for the image of an attempt whose record is lost. */
export const unknownImage: ImageReference = { registry: 'unknown', path: 'unknown' }

/** Whether a text is a host with an optional port. Pure. */
export function isHost(text: string): boolean {
  const host = hostPattern.exec(text)
  return host !== null && Number(host[1] ?? 1) >= 1 && Number(host[1] ?? 1) <= 65_535
}

/** The full text of a reference; {@link parseReference} returns the same reference for it. Pure. */
export function printReference({ registry, path, tag, digest }: ImageReference): string {
  return `${registry}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** Whether the image is in the local store and in no registry. */
export const isLocal = (reference: ImageReference): boolean => reference.registry === localRegistry

/** A text for a message: control characters are escaped, long texts are cut. */
function shown(text: string): string {
  // eslint-disable-next-line no-control-regex -- the pattern matches control characters
  const visible = text.replaceAll(/[\u0000-\u001f\u007f]/g, (character) => JSON.stringify(character).slice(1, -1))
  return visible.length > 100 ? `${visible.slice(0, 100)}…` : visible
}
