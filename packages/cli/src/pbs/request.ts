import { posix } from 'node:path'
import { fullImageReference } from '@science-platform/client'
import type { JobRequest } from '@science-platform/contract'
import { limits } from '@science-platform/contract/limits'
import { usageFailure } from '../failure.ts'
import { interpreterOf } from './job-script.ts'
import { queueName, type QsubOptions } from './qsub-options.ts'
import { exportedVariables, sharedFolders } from './variables.ts'
import { wrapperWords } from './wrapper.ts'

/** The label of all jobs of qsub. Its value is the name that PBS programs gave the job. */
export const pbsLabel = 'pbs'

/** The variable with the image of jobs that name none. */
export const imageVariable = 'CANFAR_PBS_IMAGE'

/** Where qsub was called. */
export interface Caller {
  /** The current folder, as jobs see it. */
  readonly folder: string
  readonly host: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** A script with the name that the job has without `-N`. */
export interface NamedScript {
  readonly text: string
  readonly name: string
}

/** Bytes of a script; the server takes 1.25 MiB for all of a request. */
const scriptBytes = 1_048_576

/** The request for a script. @throws {CommandFailure} without an image, in a folder that jobs do not see, or for a script that cannot be sent */
export function requestFor({ text, name }: NamedScript, options: QsubOptions, caller: Caller): JobRequest {
  const { cores, memoryGb, gpus, timeSeconds } = options.resources
  const folder = folderOf(options, caller)
  const absolute = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : /^[/$]/.test(path) ? path : posix.join(folder, path)
  const [output, error] = [absolute(options.output), absolute(options.error)]
  const pbsName = options.name ?? name
  requireText(text, name)
  return {
    name: platformName(pbsName),
    image: imageOf(options, caller),
    cmd: 'sh',
    args: wrapperWords({
      script: text,
      interpreter: interpreterOf(text, options.shell),
      output: options.join === 'eo' ? error : output,
      error: options.join === 'oe' ? output : error,
      path: options.exportsAll && options.variables['PATH'] === undefined ? sharedFolders(caller.environment) : [],
    }),
    env: {
      ...(options.exportsAll ? exportedVariables(caller.environment) : {}),
      ...options.variables,
      PBS_ENVIRONMENT: 'PBS_BATCH',
      PBS_JOBNAME: pbsName,
      PBS_QUEUE: queueName,
      PBS_O_QUEUE: queueName,
      PBS_O_HOST: caller.host,
      PBS_O_WORKDIR: folder,
      ...(cores === undefined ? {} : { PBS_NP: String(cores), NCPUS: String(cores) }),
    },
    workingDirectory: folder,
    labels: { [pbsLabel]: Array.from(pbsName).slice(0, limits.labelValueLength).join('') },
    ...(cores === undefined ? {} : { cores }),
    ...(memoryGb === undefined ? {} : { memoryGb }),
    ...(gpus === undefined || gpus === 0 ? {} : { gpus }),
    ...(timeSeconds === undefined ? {} : { timeSeconds }),
    ...(options.group === undefined ? {} : { group: options.group }),
  }
}

function folderOf({ folder }: QsubOptions, caller: Caller): string {
  const path = posix.resolve(caller.folder, folder ?? '.')
  if (/^\/(arc|scratch)(\/|$)/.test(path)) return path
  throw usageFailure(
    folder === undefined
      ? `qsub was called in ${path}, which jobs do not see`
      : `-d is '${folder}', which jobs do not see`,
    'change to a folder below /arc, such as /arc/projects/survey, or name one: qsub -d /arc/home/me/run',
  )
}

function imageOf({ resources: { image } }: QsubOptions, { environment }: Caller): string {
  const reference = image ?? environment[imageVariable] ?? ''
  if (reference !== '') return fullImageReference(reference)
  throw usageFailure(
    'the job has no image',
    `export ${imageVariable}=skaha/astroml:24.07, or name it: qsub -l image=skaha/astroml:24.07`,
  )
}

function requireText(text: string, name: string): void {
  const bytes = Buffer.byteLength(text)
  if (bytes > scriptBytes)
    throw usageFailure(`${name} has ${bytes} bytes`, 'a script has at most 1 MiB; read data from a file below /arc')
  if (text.includes('\0') || text.includes('\uFFFD'))
    throw usageFailure(`${name} is no text in UTF-8`, 'submit a script; it can start any program of the image')
}

/** A name of the platform for a name of PBS: letters, digits and hyphens. */
export function platformName(pbsName: string): string {
  const name = pbsName
    .replace(/[^A-Za-z0-9]+/g, '-')
    .slice(0, limits.nameLength)
    .replace(/^-+|-+$/g, '')
  return name === '' ? 'job' : name
}
