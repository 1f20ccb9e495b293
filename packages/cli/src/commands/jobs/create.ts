import { randomBytes } from 'node:crypto'
import { SessionError, sessionKinds, type Jobs } from '@science-platform/client'
import { networks } from '@science-platform/contract/networks'
import { startTimes } from '@science-platform/contract/timing'
import { Option, type Command } from 'commander'
import { endingLines, endingsExitCode } from '../../run/ending.ts'
import { usageFailure } from '../../failure.ts'
import { reportFailure, reportOf } from '../../output/failure-report.ts'
import { followOutput, printPrefixed, printStream } from '../../run/follow.ts'
import { interrupted, takeInterrupts, type Interruption } from '../../run/interruption.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { platformFor, type Platform } from '../../platform.ts'
import { serialise } from '../../output/format.ts'
import { note, print } from '../../output/terminal.ts'
import { sessionRequestFrom, submissionFrom, type Submission, type SubmissionOptions } from '../../run/submission.ts'
import { waitForEndings } from '../../run/wait.ts'

interface CreateOptions extends SubmissionOptions {
  readonly wait?: true
  readonly follow?: true
  readonly quiet?: true
  readonly dryRun?: true
  readonly idempotencyKey?: string
}

const collect = (item: string, items: readonly string[] = []): readonly string[] => [...items, item]

/** Defines `canfar create`. `command` are the words after `--`. */
export function define(program: Command, command: readonly string[]): void {
  program
    .command('create')
    .summary('submit a job')
    .description('Submit a job, or --replicas of them, and print the ids.')
    .usage('[options] [KIND] IMAGE [-- CMD [ARGS...]]')
    .argument('[words...]', 'the kind (headless when left out), the image, and the command')
    .option('-n, --name <name>', 'name; one is made up when left out')
    .option('--image <image>', 'the image, instead of the second word')
    .option('--kind <kind>', `${sessionKinds.join(', ')} (default: headless)`)
    .option('-c, --cpu <cores>', 'cores; flexible when left out')
    .option('--cores <cores>', 'the same as --cpu')
    .option('-m, --memory <GiB>', 'memory; flexible when left out')
    .option('--ram <GiB>', 'the same as --memory')
    .option('-g, --gpu <gpus>', 'GPUs')
    .option('--cmd <command>', 'the command as one text, split by shell rules')
    .option('--args <arguments>', 'arguments as one text, split by shell rules')
    .option('-e, --env <KEY=VALUE>', 'environment variable; repeat for more', collect)
    .option('-r, --replicas <count>', 'jobs to make; each has REPLICA_ID and REPLICA_COUNT')
    .addOption(new Option('--network <network>', 'what the job can reach').choices(networks))
    .option('--job-token [scopes]', 'give the job a token of yours: all of read,submit,manage, or those named')
    .option('--time <time>', 'longest run time: seconds, or 30m, 12h, 2d')
    .option('--grace <time>', 'time from SIGTERM to SIGKILL when it is ended')
    .option('--signal <SIGNAL@seconds>', 'a warning before the run time is over, such as USR1@120')
    .addOption(new Option('--when <time>', 'off-peak: start in the off-peak hours only').choices(startTimes))
    .option('--after <time>', 'start no earlier: 2h, 18:00, 2026-11-24T18:00-08:00')
    .option('--by <time>', 'wanted to have ended by then; canfar why tells whether it can be met')
    .option('--group <group>', 'which of your groups it is charged to')
    .option('--gpu-kind <kind>', 'the kind of GPU that would do')
    .option('-w, --wait', 'wait for the end and exit with the exit code of the job')
    .option('-f, --follow', 'show the output while it runs, and wait')
    .option('-q, --quiet', 'print the ids alone')
    .option('--dry-run', 'print what would be submitted, and submit nothing')
    .option('--idempotency-key <key>', 'a repeated submission with the same key is the same submission')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  canfar create headless skaha/astroml -c 4 -m 16 -- python /arc/home/me/a.py',
        '  canfar create --name a --image skaha/astroml --cores 2 --ram 4 --cmd "sleep 5"',
        '  canfar create headless skaha/astroml --follow -- sh -c "echo hello; nproc"',
      ].join('\n'),
    )
    .action(async (words: readonly string[], options: CreateOptions, self: Command) => {
      const suffix = randomBytes(2).toString('hex')
      await create(submissionFrom(options, words, command, suffix), options, invocationOf(self))
    })
}

async function create(submission: Submission, options: CreateOptions, invocation: Invocation): Promise<void> {
  if (options.dryRun === true) {
    await show(
      invocation,
      submission.request,
      (request) => `${JSON.stringify(request, null, 2)}\nNothing was submitted.`,
    )
    return
  }
  const platform = await platformFor(invocation, true)
  const jobs = submission.kind === 'headless' ? await platform.jobs() : undefined
  if (jobs === undefined && options.idempotencyKey !== undefined)
    throw usageFailure('--idempotency-key means nothing to this server', 'leave --idempotency-key out')
  const interruption = takeInterrupts()
  try {
    const ids = await submit(platform, jobs, submission, options, interruption, invocation)
    interruption.signal.throwIfAborted()
    if (options.wait === true || options.follow === true)
      await waitFor(platform, ids, submission.request.name, options, interruption, invocation)
  } finally {
    interruption.release()
  }
}

/** Submits and tells the ids, also when only some of the replicas could be made or Ctrl-C came between. */
async function submit(
  platform: Platform,
  jobs: Jobs | undefined,
  submission: Submission,
  options: CreateOptions,
  interruption: Interruption,
  invocation: Invocation,
): Promise<readonly string[]> {
  const { name } = submission.request
  if (jobs !== undefined) {
    // All or nothing on the server: Ctrl-C lets the answer come in, so that the ids are known.
    const idempotencyKey = options.idempotencyKey ?? crypto.randomUUID()
    interruption.onSecond(() => {
      note(
        `canfar: interrupted; it is not known whether the jobs were made\nfix: canfar ps, or repeat the command with --idempotency-key ${idempotencyKey}`,
      )
    })
    const onFirst = (): void => {
      note('canfar: waiting for the answer of the server; Ctrl-C again gives it up')
    }
    interruption.signal.addEventListener('abort', onFirst)
    const { ids } = await jobs.submit(submission.request, { idempotencyKey })
    interruption.signal.removeEventListener('abort', onFirst)
    interruption.onSecond(() => undefined)
    await tellIds(ids, name, options, invocation)
    if (interruption.signal.aborted) throw goesOn(ids)
    return ids
  }
  try {
    const ids = await platform.session.create(sessionRequestFrom(submission), { signal: interruption.signal })
    await tellIds(ids, name, options, invocation)
    if (interruption.signal.aborted) throw goesOn(ids)
    return ids
  } catch (error) {
    if (!(error instanceof SessionError)) throw error
    const made = error.values.map(String)
    if (made.length > 0) await tellIds(made, name, options, invocation)
    if (!interruption.signal.aborted) throw error
    throw interrupted(
      `interrupted; ${made.length} of ${error.outcomes.length} jobs were made${made.length === 0 ? '' : `: ${made.join(' ')}`}`,
      made.length === 0 ? undefined : `remove them with canfar delete ${made.join(' ')}`,
    )
  }
}

async function tellIds(
  ids: readonly string[],
  name: string,
  { quiet, follow }: CreateOptions,
  { format }: Invocation,
): Promise<void> {
  if (format !== 'human') return print(await serialise(ids, format))
  if (quiet === true) return print(ids.join('\n'))
  // With --follow the output of the job has stdout to itself.
  const tell = follow === true ? note : print
  if (ids.length === 1) tell(`Successfully created session '${name}' (ID: ${ids[0]})`)
  else
    tell([`Successfully created ${ids.length} sessions named '${name}':`, ...ids.map((id) => `  - ${id}`)].join('\n'))
}

async function waitFor(
  platform: Platform,
  ids: readonly string[],
  name: string,
  options: CreateOptions,
  interruption: Interruption,
  { format }: Invocation,
): Promise<void> {
  const { signal } = interruption
  const tell = options.follow === true || options.quiet === true || format !== 'human' ? note : print
  const followed = options.follow === true ? follow(platform, ids, name, signal) : Promise.resolve()
  // Should waiting fail first, the failure of following is not to be an unhandled one.
  followed.catch(() => undefined)
  const endings = await waitForEndings(platform, ids, {
    signal,
    onEnded: (ending) => {
      if (options.follow !== true) tell(endingLines(ending).join('\n'))
    },
  }).catch((error: unknown) => {
    throw signal.aborted ? goesOn(ids) : error
  })
  await followed.catch((error: unknown) => {
    if (signal.aborted) throw goesOn(ids)
    reportFailure(reportOf(error), format)
  })
  if (options.follow === true) for (const ending of endings) tell(endingLines(ending).join('\n'))
  process.exitCode = endingsExitCode(endings)
}

async function follow(platform: Platform, ids: readonly string[], name: string, signal: AbortSignal): Promise<void> {
  if (ids.length === 1) return printStream(followOutput(platform, ids[0] ?? '', signal))
  await Promise.all(
    ids.map((id, index) => printPrefixed(followOutput(platform, id, signal), `${name}-${index + 1} | `)),
  )
}

function goesOn(ids: readonly string[]): Error {
  const what = ids.length === 1 ? `job ${ids[0]} goes on` : `${ids.length} jobs go on: ${ids.join(' ')}`
  const last = ids.length === 1 ? ids[0] : 'ID'
  return interrupted(
    `interrupted; ${what}`,
    `follow with canfar logs -f ${last}, end with canfar cancel ${ids.join(' ')}`,
  )
}
