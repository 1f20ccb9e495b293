import {
  fullImageReference,
  joinWords,
  sessionKinds,
  splitWords,
  type SessionKind,
  type SessionRequest,
} from '@science-platform/client'
import { jobScopes, type JobScope } from '@science-platform/contract/scopes'
import type { JobRequest, Network, StartTime } from '@science-platform/contract'
import { limits } from '@science-platform/contract/limits'
import { usageFailure } from '../failure.ts'
import { parseInstant } from './instant.ts'
import { parseDuration } from '../output/quantities.ts'

/** Options of `canfar create` that describe the job, as typed. */
export interface SubmissionOptions {
  readonly name?: string
  readonly image?: string
  readonly kind?: string
  readonly cpu?: string
  readonly cores?: string
  readonly memory?: string
  readonly ram?: string
  readonly gpu?: string
  readonly cmd?: string
  readonly args?: string
  readonly env?: readonly string[]
  readonly workdir?: string
  readonly label?: readonly string[]
  readonly replicas?: string
  readonly network?: string
  readonly jobToken?: true | string
  readonly time?: string
  readonly grace?: string
  readonly signal?: string
  readonly when?: string
  readonly after?: string
  readonly by?: string
  readonly group?: string
  readonly gpuKind?: string
}

/** A job, or a session of another kind, to submit. */
export interface Submission {
  readonly kind: SessionKind
  readonly request: JobRequest
}

/**
 * The submission of a command line. `positionals` are the words before `--`, `command` those after it, which stay as they
 * are. `suffix` completes a name made from the image. Times of day such as `18:00` count from `now`.
 */
export function submissionFrom(
  options: SubmissionOptions,
  positionals: readonly string[],
  command: readonly string[],
  suffix: string,
  now: Temporal.ZonedDateTime = Temporal.Now.zonedDateTimeISO(),
): Submission {
  const { kind, image, words } = target(options, positionals)
  const gpus = whole('--gpu', options.gpu, 0, limits.gpus)
  const cores = whole(options.cores === undefined ? '--cpu' : '--cores', options.cores ?? options.cpu, 1, limits.cores)
  const memoryGb = whole(
    options.ram === undefined ? '--memory' : '--ram',
    options.ram ?? options.memory,
    1,
    limits.memoryGb,
  )
  const replicas = whole('--replicas', options.replicas, 1, limits.replicas)
  const timeSeconds = span('--time', options.time, 1, limits.timeSeconds)
  const graceSeconds = span('--grace', options.grace, 0, limits.graceSeconds)
  const env = pairs('--env', options.env ?? [])
  const labels = pairs('--label', options.label ?? [])
  const request: JobRequest = {
    name: options.name ?? `${nameOf(image)}-${suffix}`,
    image: fullImageReference(image),
    ...program(options, [...words, ...command]),
    ...(Object.keys(env).length === 0 ? {} : { env }),
    ...(options.workdir === undefined ? {} : { workingDirectory: options.workdir }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(cores === undefined ? {} : { cores }),
    ...(memoryGb === undefined ? {} : { memoryGb }),
    ...(gpus === undefined || gpus === 0 ? {} : { gpus }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(options.network === undefined ? {} : { network: options.network as Network }),
    ...(options.jobToken === undefined ? {} : { jobToken: jobTokenFrom(options.jobToken) }),
    ...(timeSeconds === undefined ? {} : { timeSeconds }),
    ...(graceSeconds === undefined ? {} : { graceSeconds }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.when === undefined ? {} : { when: options.when as StartTime }),
    ...(options.after === undefined ? {} : { after: parseInstant('--after', options.after, now) }),
    ...(options.by === undefined ? {} : { by: parseInstant('--by', options.by, now) }),
    ...(options.group === undefined ? {} : { group: options.group }),
    ...(options.gpuKind === undefined ? {} : { gpuKind: options.gpuKind }),
  }
  return { kind, request }
}

/** Options that the wire of other skaha servers does not have. */
export const ownOptions: { readonly [K in keyof JobRequest]?: string } = {
  workingDirectory: '--workdir',
  labels: '--label',
  network: '--network',
  jobToken: '--job-token',
  timeSeconds: '--time',
  graceSeconds: '--grace',
  signal: '--signal',
  when: '--when',
  after: '--after',
  by: '--by',
  group: '--group',
  gpuKind: '--gpu-kind',
}

/** The submission for any skaha server. Options that its wire does not have are refused, such as --network or --time. */
export function sessionRequestFrom({ kind, request }: Submission): SessionRequest {
  const { name, image, cmd, args, env, cores, memoryGb, gpus, replicas } = request
  const option = Object.entries(ownOptions).find(([key]) => request[key as keyof JobRequest] !== undefined)?.[1]
  if (option !== undefined) {
    throw usageFailure(`${option} is not available on this server, or for ${kind} sessions`, `leave ${option} out`)
  }
  // The reference server runs `cmd` as one program and never splits it (wire contract 3.1). This platform splits it.
  const words = cmd === undefined ? [] : args === undefined ? commandWords(cmd) : [cmd]
  const rest = words.length > 1 ? joinWords(words.slice(1)) : undefined
  const argsOnWire = rest ?? args
  return {
    name,
    image,
    kind,
    ...(words[0] === undefined ? {} : { cmd: words[0] }),
    ...(argsOnWire === undefined ? {} : { args: argsOnWire }),
    ...(env === undefined ? {} : { env }),
    ...(cores === undefined ? {} : { cores }),
    ...(memoryGb === undefined ? {} : { ram: memoryGb }),
    ...(gpus === undefined ? {} : { gpu: gpus }),
    ...(replicas === undefined ? {} : { replicas }),
  }
}

/** KIND IMAGE [CMD…], IMAGE [CMD…], or all of it as options. */
function target(
  options: SubmissionOptions,
  positionals: readonly string[],
): { kind: SessionKind; image: string; words: readonly string[] } {
  const [first, ...rest] = positionals
  const firstIsKind = first !== undefined && isKind(first) && options.kind === undefined
  const kind = options.kind ?? (firstIsKind ? first : 'headless')
  if (!isKind(kind)) throw usageFailure(`'${kind}' is not a kind of session`, `use one of ${sessionKinds.join(', ')}`)
  const others = firstIsKind ? rest : positionals
  if (options.image !== undefined) return { kind, image: options.image, words: others }
  const [image, ...words] = others
  if (image === undefined) throw usageFailure('no image was given', 'canfar create headless IMAGE -- COMMAND')
  if (!/[/:]/.test(image) && !firstIsKind && others.length > 1)
    throw usageFailure(`'${image}' is not a kind of session`, `use one of ${sessionKinds.join(', ')}`)
  return { kind, image, words }
}

/** Sends words of the command line as a list, so that the server does not split them again. */
function program({ cmd, args }: SubmissionOptions, words: readonly string[]): Pick<JobRequest, 'cmd' | 'args'> {
  if (cmd === undefined) {
    const [first, ...rest] = words
    if (first === undefined) return args === undefined ? {} : { args }
    return { cmd: first, args: rest }
  }
  if (words.length === 0) return args === undefined ? { cmd } : { cmd, args }
  if (args !== undefined)
    throw usageFailure('arguments were given twice, with --args and as words', 'leave one of them out')
  const [program, ...first] = commandWords(cmd)
  return { cmd: program, args: [...first, ...words] }
}

/** The program that `--cmd` names, and the words after it. */
function commandWords(cmd: string): [string, ...string[]] {
  const split = splitWords(cmd)
  if ('fault' in split) throw usageFailure(`--cmd is '${cmd}': ${split.fault.message}`, split.fault.hint)
  const [program, ...rest] = split.words
  if (program === undefined || program === '')
    throw usageFailure(`--cmd is '${cmd}' and names no program`, 'name a program, or leave --cmd out')
  return [program, ...rest]
}

function jobTokenFrom(option: true | string): true | JobScope[] {
  if (option === true) return true
  const words = option.split(',').map((word) => word.trim())
  const isJobScope = (word: string): word is JobScope => (jobScopes as readonly string[]).includes(word)
  if (words.every(isJobScope)) return words
  throw usageFailure(`--job-token is '${option}'`, `use some of ${jobScopes.join(',')}, or no value for all of them`)
}

const isKind = (word: string): word is SessionKind => (sessionKinds as readonly string[]).includes(word)

/** Values of an option `KEY=VALUE`, by key. The last value of a key counts. */
function pairs(option: string, items: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    items.map((item): [string, string] => {
      const at = item.indexOf('=')
      if (at < 1) throw usageFailure(`${option} is '${item}'`, `write it as ${option} KEY=VALUE`)
      return [item.slice(0, at), item.slice(at + 1)]
    }),
  )
}

function whole(option: string, text: string | undefined, minimum: number, maximum: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < minimum || value > maximum)
    throw usageFailure(`${option} is '${text}'`, `use a whole number from ${minimum} to ${maximum}`)
  return value
}

function span(option: string, text: string | undefined, minimum: number, maximum: number): number | undefined {
  if (text === undefined) return undefined
  const seconds = parseDuration(text)
  if (seconds === undefined || seconds < minimum || seconds > maximum)
    throw usageFailure(
      `${option} is '${text}'`,
      `use seconds from ${minimum} to ${maximum}, or a time such as 30m, 12h, 2d`,
    )
  return seconds
}

/** A name from the last part of an image: `images.canfar.net/skaha/astroml:24.07` gives `astroml`. */
function nameOf(image: string): string {
  const last = (image.split('/').at(-1) ?? '').split(/[:@]/)[0] ?? ''
  const name = last
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 50)
    .replace(/^-+|-+$/g, '')
  return name === '' ? 'job' : name
}
