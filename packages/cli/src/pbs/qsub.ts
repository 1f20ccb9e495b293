import { realpathSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { basename, join } from 'node:path'
import { text as allText } from 'node:stream/consumers'
import { joinWords } from '@science-platform/client'
import { usageFailure } from '../failure.ts'
import { directivesOf } from './job-script.ts'
import { newerServerNeeded, pbsJobs } from './pbs-jobs.ts'
import { qsubOptions, qsubWords } from './qsub-options.ts'
import { requestFor, type NamedScript } from './request.ts'
import { submitOnce } from './unanswered.ts'

/** Submits a job and prints its id alone on a line: engines take all of the output, also of stderr, as the id. */
export async function qsub(words: readonly string[]): Promise<void> {
  const { options, operands, command } = qsubWords(words)
  const script = await scriptOf(operands, command)
  const read = qsubOptions(options, directivesOf(script.text, script.name), process.env)
  const caller = { folder: currentFolder(), host: hostname(), environment: process.env }
  const request = requestFor(script, read, caller)
  const { jobs, login } = await pbsJobs('qsub')
  await submitOnce(JSON.stringify([login.url, request]), recordsFolder(), async (idempotencyKey) => {
    const { ids } = await jobs.submit(request, { idempotencyKey }).catch((error: unknown) => {
      throw newerServerNeeded(error)
    })
    if (!read.isQuiet) await printed(ids.join('\n'))
  })
}

async function scriptOf(operands: readonly string[], command: readonly string[] | undefined): Promise<NamedScript> {
  if (command !== undefined && command.length > 0) {
    if (operands.length > 0)
      throw usageFailure(`qsub has the script '${operands[0]}' and a program after --`, 'leave one of them out')
    return { text: `exec ${joinWords(command)}\n`, name: basename(command[0] ?? '') }
  }
  const [path = '-', argument] = operands
  if (argument !== undefined)
    throw usageFailure(
      `'${argument}' stands after the script`,
      `a script has no arguments: give it variables, -v NAME=VALUE`,
    )
  if (path === '-') {
    if (process.stdin.isTTY)
      throw usageFailure('qsub has no script', 'name a file, or write: echo "python fit.py" | qsub')
    return { text: await allText(process.stdin), name: 'STDIN' }
  }
  try {
    return { text: await readFile(path, 'utf8'), name: basename(path) }
  } catch (error) {
    throw usageFailure(`the script ${path} cannot be read: ${(error as Error).message}`, 'see qsub --help', error)
  }
}

/** The current folder as jobs see it, also where /arc is a link to a folder of this machine. */
function currentFolder(): string {
  const folder = process.cwd()
  try {
    const arc = realpathSync('/arc')
    return folder === arc || folder.startsWith(`${arc}/`) ? `/arc${folder.slice(arc.length)}` : folder
  } catch {
    return folder // there is no /arc
  }
}

/** XDG Base Directory Specification: state that stays between runs. */
const recordsFolder = (): string =>
  join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local/state'), 'science-platform/qsub')

/** Prints a line, and returns when it was taken. */
const printed = (line: string): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error) => {
      if (error == null) resolve()
      else reject(error)
    })
  })
