import { randomBytes } from 'node:crypto'
import { SessionError, sessionKinds, type Jobs } from '@science-platform/client'
import { networks } from '@science-platform/contract/networks'
import { troubleshooting } from '@science-platform/contract/troubleshooting'
import { startTimes } from '@science-platform/contract/timing'
import { Option, type Command } from 'commander'
import { examples } from '../../examples.ts'
import type { JobRequest } from '@science-platform/contract'
import { remarksOn, type Remark } from '../../run/command-remarks.ts'
import { lookAtWorkingDirectory } from '../../run/working-directory-remark.ts'
import { usageFailure } from '../../failure.ts'
import { interrupted, takeInterrupts, type Interruption } from '../../run/interruption.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { platformFor, type Platform } from '../../platform.ts'
import { isPiped, note } from '../../output/terminal.ts'
import { interruptedWith, printIds, restartSeconds, submitted, waitFor } from '../../run/created-jobs.ts'
import { explained } from '../../run/earlier-server.ts'
import {
  ownOptions,
  sessionRequestFrom,
  submissionFrom,
  type Submission,
  type SubmissionOptions,
} from '../../run/submission.ts'

export interface CreateOptions extends SubmissionOptions {
  readonly wait?: true
  readonly follow?: true
  readonly quiet?: true
  readonly dryRun?: true
  readonly idempotencyKey?: string
  readonly file?: string
}

const collect = (item: string, items: readonly string[] = []): readonly string[] => [...items, item]

/** Defines `canfar create`. `command` holds the words after `--`. */
export function define(program: Command, command: readonly string[]): void {
  program
    .command('create')
    .description('Submit a job, or an array of --replicas jobs, and print the ids.')
    .usage('[options] [KIND] IMAGE [-- CMD [ARGS...]]')
    .argument('[words...]', 'kind of session (default: headless), image and command')
    .option('-n, --name <name>', 'name of the job, such as night-17 (default: made from the image)')
    .option('--image <image>', 'image, such as skaha/astroml:24.07, instead of the argument IMAGE')
    .option('--kind <kind>', `kind of session, such as headless (default): ${sessionKinds.join(', ')}`)
    .option('-c, --cpu <cores>', 'cores, such as 4 (default: flexible)')
    .option('--cores <cores>', 'the same as --cpu')
    .option('-m, --memory <GiB>', 'memory in GiB, such as 16 (default: flexible)')
    .option('--ram <GiB>', 'the same as --memory')
    .option('-g, --gpu <gpus>', 'GPUs, such as 1 (default: 0)')
    .option('--cmd <command>', 'command as one text, such as "python a.py"; split into words like a shell does')
    .option('--args <arguments>', 'arguments as one text, such as "-n 1"; split into words like a shell does')
    .option('-e, --env <KEY=VALUE>', 'environment variable, such as BAND=r; repeat the option for more', collect)
    .option('--workdir <path>', 'folder in which the command starts, such as /scratch/run (default: the home)')
    .option('--label <KEY=VALUE>', 'label, such as run=7, shown in clear: no secrets; repeat for more', collect)
    .option('-r, --replicas <count>', 'number of jobs, such as 10; each job has REPLICA_ID and REPLICA_COUNT')
    .addOption(new Option('--network <network>', 'network of the job').choices(networks))
    .option(
      '--job-token [scopes]',
      'give the job a token with your rights, or with the scopes named, such as read,submit',
    )
    .option('--time <time>', 'time limit in seconds, or such as 30m, 12h, 2d')
    .option('--grace <time>', 'time from SIGTERM to SIGKILL, such as 30s')
    .option('--signal <SIGNAL@seconds>', 'signal to send before the time limit, such as USR1@120')
    .addOption(new Option('--when <time>', 'hours in which the job may start').choices(startTimes))
    .option('--after <time>', 'earliest start, such as 2h, 18:00 or 2026-11-24T18:00-08:00')
    .option('--by <time>', 'wanted end, such as 2d or 08:00; canfar why shows whether it can be met')
    .option('--group <group>', 'group to charge, such as survey (default: your only group)')
    .option('--gpu-kind <kind>', 'kind of GPU, such as a100 (default: any)')
    .option('--file <path>', 'file with requests as JSON or one a line, such as jobs.ndjson, or - for stdin')
    .option('-w, --wait', 'wait until the job has ended and exit with its exit code')
    .option('-f, --follow', 'print the output while the job runs, and wait')
    .option('-q, --quiet', 'print only the ids')
    .option('--dry-run', 'print the request and submit nothing')
    .option(
      '--idempotency-key <key>',
      'key of this submission, such as run-17; a repetition with the same key submits nothing',
    )
    .addHelpText(
      ...examples(
        'canfar create headless skaha/astroml -c 4 -m 16 -- python /arc/home/me/a.py',
        'canfar create --name a --image skaha/astroml --cores 2 --ram 4 --cmd "sleep 5"',
        'canfar create headless skaha/astroml --workdir /scratch/run -- make all',
        'canfar create headless skaha/astroml --label run=7 -- python fit.py',
        'canfar create --file jobs.ndjson --quiet',
        'canfar create headless skaha/astroml --follow -- sh -c "echo hello; nproc"',
      ),
    )
    .action(async (words: readonly string[], options: CreateOptions, self: Command) => {
      const suffix = randomBytes(2).toString('hex')
      const invocation = invocationOf(self)
      if (options.file !== undefined) {
        const { createFromFile } = await import('./create-from-file.ts')
        return createFromFile(options.file, options, [...words, ...command], invocation)
      }
      const submission = submissionFrom(options, words, command, suffix)
      if (invocation.format === 'human') remark(submission.request, options, command)
      await create(submission, options, invocation)
    })
}

/** Says on stderr what a command will not do, though it looks as if it would. */
function remark({ cmd, args }: JobRequest, options: CreateOptions, command: readonly string[]): void {
  // Words may stand before -- too; with them the request has a list, else the texts as typed.
  const typed = Array.isArray(args)
    ? { words: options.cmd === undefined ? [cmd ?? '', ...args] : args, cmd: options.cmd }
    : { cmd: options.cmd, args: options.args, words: command }
  remarksOn(typed, isPiped()).forEach(sayRemark)
}

function sayRemark({ message, hint, topic }: Remark): void {
  note(`canfar: ${message}\nfix: ${hint}\nsee: ${troubleshooting(topic)}`)
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
  // A server that restarts is waited for: nothing was sent yet.
  const jobs = submission.kind === 'headless' ? await platform.jobs(restartSeconds) : undefined
  if (jobs === undefined && options.idempotencyKey !== undefined)
    throw usageFailure('this server does not know --idempotency-key', 'leave --idempotency-key out')
  const interruption = takeInterrupts()
  try {
    const { workingDirectory } = submission.request
    const remark =
      jobs === undefined || workingDirectory === undefined || invocation.format !== 'human'
        ? undefined
        : lookAtWorkingDirectory(jobs, workingDirectory, interruption.signal)
    const ids = await submit(platform, jobs, submission, options, interruption, invocation)
    interruption.signal.throwIfAborted()
    const said = await remark
    if (said !== undefined) sayRemark(said)
    if (options.wait === true || options.follow === true)
      await waitFor(platform, ids, submission.request.name, options, interruption, invocation)
  } finally {
    interruption.release()
  }
}

/** Submits and prints the ids, also when the server made only some of the replicas or Ctrl-C interrupted. */
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
    const ids = await submitted(options.idempotencyKey, interruption, (idempotencyKey) =>
      jobs.submit(submission.request, { idempotencyKey }).catch((error: unknown) => {
        throw explained(error, ownOptions)
      }),
    )
    await printIds(ids, named(ids, name), options, invocation)
    if (interruption.signal.aborted) throw interruptedWith(ids)
    return ids
  }
  try {
    const ids = await platform.session.create(sessionRequestFrom(submission), { signal: interruption.signal })
    await printIds(ids, named(ids, name), options, invocation)
    if (interruption.signal.aborted) throw interruptedWith(ids)
    return ids
  } catch (error) {
    if (!(error instanceof SessionError)) throw error
    const made = error.values.map(String)
    if (made.length > 0) await printIds(made, named(made, name), options, invocation)
    if (!interruption.signal.aborted) throw error
    throw interrupted(
      `interrupted; ${made.length} of ${error.outcomes.length} jobs were made${made.length === 0 ? '' : `: ${made.join(' ')}`}`,
      made.length === 0 ? undefined : `remove them with canfar delete ${made.join(' ')}`,
    )
  }
}

const named = (ids: readonly string[], name: string): string =>
  ids.length === 1 ? `session '${name}' (ID: ${ids[0]})` : `${ids.length} sessions named '${name}':`
