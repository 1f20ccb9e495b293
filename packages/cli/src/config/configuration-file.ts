import { chmod, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { readConfiguration, type Configuration } from './configuration.ts'
import { CommandFailure } from '../failure.ts'

/** Path of the configuration. Only HOME changes it, as for the published client (wire contract 4.3). */
export const configurationPath = (): string => join(homedir(), '.canfar', 'config.yaml')

/** The saved configuration; undefined without a file. Throws a {@link CommandFailure} for an invalid file. */
export async function loadConfiguration(): Promise<Configuration | undefined> {
  const path = configurationPath()
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CommandFailure(
      'failure',
      'config.invalid',
      `cannot read ${path}: ${(error as Error).message}`,
      hintFor(error),
      error,
    )
  }
  const { parse } = await import('yaml')
  let document: unknown
  try {
    document = parse(text)
  } catch (error) {
    const firstLine = (error as Error).message.split('\n')[0] ?? ''
    throw unusable(path, `it is not YAML: ${firstLine}`, error)
  }
  const configuration = readConfiguration(document)
  if (typeof configuration === 'string') throw unusable(path, configuration)
  return configuration
}

/**
 * Saves the configuration by a rename, so that a reader sees the old file or the new one. The file holds tokens: only its
 * owner can read the file and its folder.
 */
export async function saveConfiguration(configuration: Configuration): Promise<void> {
  const { stringify } = await import('yaml')
  const path = configurationPath()
  try {
    const folder = dirname(path)
    await makeFolder(folder)
    if (((await stat(folder)).mode & 0o077) !== 0) await chmod(folder, 0o700)
    // A symbolic link stays, and its target is replaced.
    const target = await realpath(path).catch(() => path)
    await replace(target, stringify(configuration))
  } catch (error) {
    throw new CommandFailure(
      'failure',
      'config.invalid',
      `cannot write ${path}: ${(error as Error).message}`,
      hintFor(error),
      error,
    )
  }
}

/** Makes the folder in the home, and the home where it is missing; the recursive `mkdir` of Node never returns below /proc. */
async function makeFolder(folder: string): Promise<void> {
  for (const each of [dirname(folder), folder])
    await mkdir(each, { mode: 0o700 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    })
}

async function replace(target: string, text: string): Promise<void> {
  const temporary = join(dirname(target), `.config.yaml.${process.pid}`)
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** What to do where the file cannot be written. */
function hintFor(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? 'make room in your home'
    : 'set HOME to a folder you can write, or export CANFAR_URL and CANFAR_TOKEN'
}

/** Removes the configuration. */
export const removeConfiguration = (): Promise<void> => rm(configurationPath(), { force: true })

const unusable = (path: string, why: string, cause?: unknown): CommandFailure =>
  new CommandFailure(
    'failure',
    'config.invalid',
    `${path} cannot be used: ${why}`,
    `correct the file, or move it away and log in again: canfar auth login --server URL`,
    cause,
  )
