import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import Type from 'typebox'
import Value from 'typebox/value'
import { LineCounter, parseDocument, isMap, isScalar, type Document } from 'yaml'
import type { Address, Config } from './config.ts'
import { imageSettings } from './image-settings.ts'
import { InvalidConfiguration } from './invalid-configuration.ts'
import { InvalidPolicy } from './policy/invalid-policy.ts'
import { policyOf } from './policy/policy-of.ts'
import type { Policy } from './policy/policy.ts'
import { kubernetesConfig } from './kubernetes-keys.ts'
import { nearest } from '../lib/nearest.ts'
import { FileConfig } from './schema.ts'

/** The prefix of all environment variables; `images.registries` is `SCIENCE_PLATFORM_IMAGES_REGISTRIES`. */
const environmentPrefix = 'SCIENCE_PLATFORM_'

/**
 * Reads the configuration. The command line overrides the environment, which overrides the file, which overrides defaults.
 * @throws {InvalidConfiguration} with the key, its line and the nearest known key.
 */
export async function readConfig(sources: {
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly flags: {
    readonly dataDir?: string | undefined
    readonly listen?: string | undefined
    readonly logFormat?: string | undefined
  }
}): Promise<Config> {
  const settings = sources.file === undefined ? {} : await readFileSettings(sources.file)
  for (const { path, variable } of knownKeys(FileConfig)) {
    const value = sources.env[variable]
    if (value !== undefined && value !== '')
      put(settings, path, fromText(value, `the environment variable ${variable}`, path))
  }
  const strange = Object.keys(sources.env).find(
    (name) => name.startsWith(environmentPrefix) && !knownKeys(FileConfig).some(({ variable }) => variable === name),
  )
  if (strange !== undefined) {
    const near = nearest(
      strange,
      knownKeys(FileConfig).map(({ variable }) => variable),
    )
    throw new InvalidConfiguration(
      `the environment variable ${strange} is not known${near === undefined ? '' : `; did you mean ${near}?`}`,
    )
  }
  if (sources.flags.dataDir !== undefined) settings.dataDir = sources.flags.dataDir
  if (sources.flags.listen !== undefined) settings.listen = sources.flags.listen
  if (sources.flags.logFormat !== undefined) put(settings, ['log', 'format'], sources.flags.logFormat)
  if (settings.dataDir === undefined) {
    throw new InvalidConfiguration(
      'no data directory was given; name one with --data DIR (or dataDir in the configuration file)',
    )
  }
  const complete = Value.Default(FileConfig, settings)
  const [error] = Value.Errors(FileConfig, complete)
  if (error !== undefined) {
    const key = error.instancePath.slice(1).replaceAll('/', '.')
    throw new InvalidConfiguration(
      `${key === '' ? 'the configuration' : key} ${error.message}; it was ${JSON.stringify(at(settings, key.split('.')))}`,
    )
  }
  return frozen(complete as FileConfig)
}

async function readFileSettings(file: string): Promise<Record<string, unknown>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new InvalidConfiguration(`the configuration file ${file} could not be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [broken] = document.errors
  if (broken !== undefined) throw new InvalidConfiguration(`${file}: ${broken.message}`)
  if (document.contents === null) return {}
  refuseUnknown(file, document, lines)
  return document.toJS() as Record<string, unknown>
}

/** Refuses unknown keys: a mistyped key would otherwise silently leave the default. */
function refuseUnknown(file: string, document: Document.Parsed, lines: LineCounter): void {
  const visit = (node: unknown, schema: Type.TSchema, path: string): void => {
    if (!isMap(node) || !Type.IsObject(schema)) return
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : String(key)
      const known = schema.properties[name]
      if (known === undefined) {
        const near = nearest(name, Object.keys(schema.properties))
        const { line } = lines.linePos(isScalar(key) ? (key.range?.[0] ?? 0) : 0)
        throw new InvalidConfiguration(
          `${file}, line ${line}: the key ${path}${name} is not known; ${
            near === undefined
              ? `known are ${Object.keys(schema.properties).join(', ')}`
              : `did you mean ${path}${near}?`
          }`,
        )
      }
      visit(value, known, `${path}${name}.`)
    }
  }
  if (!isMap(document.contents))
    throw new InvalidConfiguration(`${file}: expected keys and values, such as listen: 127.0.0.1:8080`)
  visit(document.contents, FileConfig, '')
}

/** All keys of a schema, each with its environment variable. Pure. */
export function knownKeys(
  schema: Type.TSchema,
  path: readonly string[] = [],
): { path: readonly string[]; variable: string }[] {
  if (Type.IsObject(schema)) {
    return Object.entries(schema.properties).flatMap(([name, part]) => knownKeys(part, [...path, name]))
  }
  const variable =
    environmentPrefix +
    path
      .join('_')
      .replace(/([a-z])([A-Z])/g, '$1_$2')
      .toUpperCase()
  return [{ path, variable }]
}

/** Parses an environment variable: lists are separated by commas, maps are JSON, other values are YAML. */
function fromText(text: string, where: string, path: readonly string[]): unknown {
  const schema = path.reduce<Type.TSchema>(
    (part, name) => (Type.IsObject(part) ? (part.properties[name] ?? part) : part),
    FileConfig,
  )
  if (Type.IsArray(schema))
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
  if (Type.IsString(schema)) return text
  const document = parseDocument(text)
  if (document.errors.length > 0)
    throw new InvalidConfiguration(`${where} could not be understood: ${JSON.stringify(text)}`)
  return document.toJS()
}

function put(settings: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [name, ...rest] = path
  if (name === undefined) return
  if (rest.length === 0) {
    settings[name] = value
    return
  }
  const inner = settings[name] ?? {}
  put(inner as Record<string, unknown>, rest, value)
  settings[name] = inner
}

const at = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], value)

/** The rules of the queue. @throws {InvalidConfiguration} where one is invalid */
function policyFrom({ queue = {}, limits: { user, group } }: FileConfig): Policy {
  try {
    return policyOf({ ...queue, limits: { user, group } })
  } catch (error) {
    if (!(error instanceof InvalidPolicy)) throw error
    const part = /^(user|group)\b/.test(error.key) ? 'limits' : 'queue'
    throw new InvalidConfiguration(`${part}.${error.message}. ${error.hint}`, { cause: error })
  }
}

/** Keys of older releases that are accepted and have no effect. */
const formerKeys = ['queue.points.deadline', 'queue.backfill.safety']

function frozen(file: FileConfig): Config {
  const strange = file.trustedProxies?.find((proxy) => !isAddressOrRange(proxy))
  if (strange !== undefined)
    throw new InvalidConfiguration(
      `trustedProxies has ${strange}; it takes addresses and ranges: 10.0.0.7, 10.0.0.0/8, fd00::/8`,
    )
  const { publicUrl, capacity } = file
  const kubernetes = kubernetesConfig(file.kubernetes)
  if ('fault' in kubernetes) throw new InvalidConfiguration(kubernetes.fault)
  return Object.freeze({
    listen: addressOf('listen', file.listen),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    dataDir: resolve(file.dataDir),
    trustedProxies: file.trustedProxies ?? [],
    executor: file.executor,
    kubernetes,
    capacity: { ...capacity },
    images: imageSettings(file.images),
    network: file.network,
    log: file.log,
    metrics: file.metrics.listen === undefined ? {} : { listen: addressOf('metrics.listen', file.metrics.listen) },
    jobs: file.jobs.umask === undefined ? {} : { umask: parseInt(file.jobs.umask, 8) },
    limits: file.limits,
    policy: policyFrom(file),
    unusedKeys: formerKeys.filter((key) => at(file, key.split('.')) !== undefined),
    retention: file.retention,
  })
}

/** An IP address, or a range in the notation of RFC 4632. Pure. */
function isAddressOrRange(text: string): boolean {
  const [address = '', bits = '0', ...more] = text.split('/')
  const version = isIP(address)
  return version !== 0 && more.length === 0 && /^[0-9]{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)
}

/** `HOST:PORT`, IPv6 addresses in brackets. @throws {InvalidConfiguration} */
function addressOf(key: string, text: string): Address {
  const colon = text.lastIndexOf(':')
  const port = Number(text.slice(colon + 1))
  if (port > 65535) throw new InvalidConfiguration(`${key} has the port ${port}; ports end at 65535`)
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port }
}
