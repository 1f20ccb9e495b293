import type { Submitted } from '@science-platform/contract'
import type { Invocation } from '../invocation.ts'
import { reportFailure, reportOf } from '../output/failure-report.ts'
import { serialise } from '../output/format.ts'
import { note, print } from '../output/terminal.ts'
import type { Platform } from '../platform.ts'
import { endingLines, endingsExitCode } from './ending.ts'
import { followOutput, printPrefixed, printStream } from './follow.ts'
import { interrupted, type Interruption } from './interruption.ts'
import { lastLines } from './last-lines.ts'
import { MissingOutput } from './missing-output.ts'
import { waitForEndings } from './wait.ts'

/** What a command shows of the jobs that it created. */
interface Shown {
  readonly quiet?: true
  readonly follow?: true
}

/** Seconds for which a submission is tried again while the server does not answer. */
export const restartSeconds = 10

/** Jobs of one command whose last lines are shown when they fail. */
const mostLastLines = 3

/**
 * The ids of a submission that the server makes as a whole or not at all. Ctrl-C waits for its answer, because the answer has the ids.
 * `send` submits with an idempotency key.
 */
export async function submitted(
  key: string | undefined,
  interruption: Interruption,
  send: (idempotencyKey: string) => Promise<Submitted>,
): Promise<readonly string[]> {
  const idempotencyKey = key ?? crypto.randomUUID()
  interruption.onSecond(() => {
    note(
      `canfar: interrupted; the jobs may have been made\nfix: canfar ps, or repeat the command with --idempotency-key ${idempotencyKey}`,
    )
  })
  const onFirst = (): void => {
    note('canfar: waiting for the answer of the server; Ctrl-C again stops waiting')
  }
  interruption.signal.addEventListener('abort', onFirst)
  const { ids } = await send(idempotencyKey)
  interruption.signal.removeEventListener('abort', onFirst)
  interruption.onSecond(() => undefined)
  return ids
}

/** Prints the ids of new jobs. `what` names them after `Successfully created`. */
export async function printIds(
  ids: readonly string[],
  what: string,
  { quiet, follow }: Shown,
  { format }: Invocation,
): Promise<void> {
  if (format !== 'human') return print(await serialise(ids, format))
  if (quiet === true) return print(ids.join('\n'))
  // With --follow, stdout is for the output of the job alone.
  const write = follow === true ? note : print
  write([`Successfully created ${what}`, ...(ids.length === 1 ? [] : ids.map((id) => `  - ${id}`))].join('\n'))
}

/** Waits for new jobs, shows their endings or their output, and sets the exit code. */
export async function waitFor(
  platform: Platform,
  ids: readonly string[],
  name: string,
  options: Shown,
  interruption: Interruption,
  { format }: Invocation,
): Promise<void> {
  const { signal } = interruption
  const write = options.follow === true || options.quiet === true || format !== 'human' ? note : print
  const missing = new MissingOutput()
  const followed = options.follow === true ? follow(platform, ids, name, missing, signal) : Promise.resolve()
  // When waiting fails first, nothing awaits `followed` any more.
  followed.catch(() => undefined)
  const jobs = await platform.jobs()
  let told = Promise.resolve()
  let failed = 0
  const endings = await waitForEndings(platform, ids, {
    signal,
    onEnded: (ending) => {
      if (options.follow === true) return
      if (ending.state === 'failed') failed += 1
      const last = failed <= mostLastLines ? lastLines(jobs, ending, signal) : Promise.resolve([])
      told = told.then(async () => {
        write([...endingLines(ending), ...(await last)].join('\n'))
      })
    },
  }).catch((error: unknown) => {
    throw signal.aborted ? interruptedWith(ids) : error
  })
  await told
  await followed.catch((error: unknown) => {
    if (signal.aborted) throw interruptedWith(ids)
    reportFailure(reportOf(error), format)
  })
  if (options.follow === true) for (const ending of endings) write(endingLines(ending).join('\n'))
  process.exitCode = endingsExitCode(endings)
  missing.report()
}

async function follow(
  platform: Platform,
  ids: readonly string[],
  name: string,
  missing: MissingOutput,
  signal: AbortSignal,
): Promise<void> {
  if (ids.length === 1) return printStream(followOutput(platform, ids[0] ?? '', missing, signal))
  await Promise.all(
    ids.map((id, index) => printPrefixed(followOutput(platform, id, missing, signal), `${name}-${index + 1} | `)),
  )
}

/** The failure of a command that Ctrl-C ended after it submitted jobs. */
export function interruptedWith(ids: readonly string[]): Error {
  const what = ids.length === 1 ? `job ${ids[0]} continues` : `${ids.length} jobs continue: ${ids.join(' ')}`
  const last = ids.length === 1 ? ids[0] : 'ID'
  return interrupted(
    `interrupted; ${what}`,
    `follow with canfar logs -f ${last}, end with canfar cancel ${ids.join(' ')}`,
  )
}
