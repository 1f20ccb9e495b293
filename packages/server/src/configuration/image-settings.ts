import type { Config } from './config.ts'
import { isHost, localRegistry, parseReference } from '../job/image-reference.ts'
import { InvalidConfiguration } from './invalid-configuration.ts'
import type { FileConfig } from './schema.ts'

/** The `images` section with defaults, its hosts in lower case. @throws {InvalidConfiguration} with the key and a valid value. */
export function imageSettings(file: FileConfig['images']): Config['images'] {
  const registries = (file.registries ?? ['images.canfar.net']).map((text) => registryOf('images.registries', text))
  const aliases = Object.entries(file.aliases ?? {}).map(([registry, standsIn]) => [
    hostOf('images.aliases', registry),
    placeOf('images.aliases', standsIn),
  ])
  const tokenHosts = Object.entries(file.tokenHosts ?? {}).map(([registry, hosts]) => [
    hostOf('images.tokenHosts', registry),
    hosts.map((host) => hostOf('images.tokenHosts', host)),
  ])
  return {
    registries,
    aliases: Object.fromEntries(aliases) as Record<string, string>,
    insecure: (file.insecure ?? []).map((host) => hostOf('images.insecure', host)),
    tokenHosts: Object.fromEntries(tokenHosts) as Record<string, string[]>,
    refreshMinutes: file.refreshMinutes,
    waitSeconds: file.waitSeconds,
    ...(file.storeGb === undefined ? {} : { storeGb: file.storeGb }),
  }
}

const wrong = (key: string, text: string, would: string): InvalidConfiguration =>
  new InvalidConfiguration(`${key} has ${JSON.stringify(text)}; ${would}`)

function hostOf(key: string, text: string): string {
  if (!isHost(text)) throw wrong(key, text, 'write a host with an optional port, such as images.canfar.net')
  return text.toLowerCase()
}

/** A host with an optional beginning of a path. */
function placeOf(key: string, text: string): string {
  const [host = '', ...path] = text.replace(/\/+$/, '').split('/')
  const place = [isHost(host) ? host.toLowerCase() : '', ...path].join('/')
  const parsed = parseReference(`a.b/${[...path, 'image'].join('/')}`)
  if (place.startsWith('/') || place === '' || 'fault' in parsed)
    throw wrong(key, text, 'write a host with an optional path, such as images.canfar.net/skaha')
  return place
}

function registryOf(key: string, text: string): string {
  const place = placeOf(key, text)
  if (place.split('/')[0] === localRegistry)
    throw wrong(key, text, 'localhost without a port is the local store, which is always allowed')
  if ('fault' in parseReference(`${place}/image`))
    throw wrong(key, text, 'write a registry with a dot or a port, such as images.canfar.net or registry:5000')
  return place
}
