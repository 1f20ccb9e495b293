import {
  sessionKinds,
  sessionStatuses,
  type Session,
  type SessionKind,
  type SessionStatus,
} from '@science-platform/client'
import type { Job, SessionRecord } from '@science-platform/contract'
import { isEnded, jobStates, type JobState } from '@science-platform/contract/states'
import { Option, type Command } from 'commander'
import { examples } from '../../examples.ts'
import { usageFailure } from '../../failure.ts'
import { invocationOf, show } from '../../invocation.ts'
import { platformFor, type Platform } from '../../platform.ts'
import { labelledJobs } from '../../run/labelled.ts'
import { duration } from '../../output/quantities.ts'
import { table, type Column } from '../../output/table.ts'
import { columns, note, paint, print } from '../../output/terminal.ts'

interface PsOptions {
  readonly all?: true
  readonly quiet?: true
  readonly kind?: SessionKind
  readonly status?: SessionStatus
  readonly label?: string
}

/** What the list shows of a session. */
type Listed = Pick<SessionRecord, 'id' | 'name' | 'type' | 'status' | 'image' | 'startTime' | 'exitCode'> &
  Pick<Job, 'labels'>

/** Defines `canfar ps`. */
export function define(program: Command): void {
  program
    .command('ps')
    .description('List your jobs and sessions that wait or run.')
    .option('-a, --all', 'list ended jobs too')
    .option('-q, --quiet', 'print only the ids')
    .addOption(new Option('-k, --kind <kind>', 'list only sessions of this kind').choices(sessionKinds))
    .addOption(new Option('-s, --status <status>', 'list only sessions with this status').choices(sessionStatuses))
    .option('--label <label>', 'list only jobs with this label, such as run=7, or run for any value')
    .addHelpText(...examples('canfar ps', 'canfar ps --all --status Failed', 'canfar ps --label run=7'))
    .action(async (options: PsOptions, self: Command) => {
      const invocation = invocationOf(self)
      if (options.quiet === true && invocation.format !== 'human')
        throw usageFailure('--quiet cannot be combined with --json or --output', 'leave one of them out')
      const platform = await platformFor(invocation)
      const sessions = (await listed(platform, options)).toSorted(byStart)
      if (options.quiet === true) {
        if (sessions.length > 0) print(sessions.map(({ id }) => id).join('\n'))
      } else if (invocation.format === 'human' && sessions.length === 0) {
        note(options.all === true ? 'There are no jobs.' : 'No job waits or runs. List ended jobs too: canfar ps --all')
      } else {
        await show(invocation, sessions, (all) => sessionTable(all, Date.now(), columns()))
      }
    })
}

/** The wire has no labels: jobs with a label come from the platform's own API. */
async function listed(platform: Platform, options: PsOptions): Promise<Listed[]> {
  const { all, kind = 'headless', status, label } = options
  if (label === undefined) return fetchSessions(platform.session, options)
  const states = status === undefined ? (all === true ? jobStates : activeStates) : statesOf(status)
  if (kind !== 'headless' || states.length === 0) return []
  return (await labelledJobs(platform, label, { state: states.join(','), fields: shownFields })).map(listedJob)
}

const shownFields = ['id', 'name', 'kind', 'state', 'image', 'startedAt', 'exitCode', 'labels'] as const

/** A job in the list. */
const listedJob = ({
  id,
  name,
  kind,
  state,
  image,
  startedAt,
  exitCode,
  labels,
}: Pick<Job, (typeof shownFields)[number]>): Listed => ({
  id,
  name,
  type: kind,
  status: statuses[state],
  image,
  ...(startedAt === undefined ? {} : { startTime: startedAt }),
  ...(exitCode === undefined ? {} : { exitCode }),
  ...(labels === undefined ? {} : { labels }),
})

/** The words of the wire for the states of a job, and `Cancelled`, which the wire does not show. */
const statuses: Readonly<Record<JobState, string>> = {
  held: 'Pending',
  queued: 'Pending',
  starting: 'Pending',
  running: 'Running',
  stopping: 'Terminating',
  succeeded: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
}
const synonyms: { readonly [K in SessionStatus]?: SessionStatus } = { Succeeded: 'Completed', Error: 'Failed' }
const activeStates = jobStates.filter((state) => !isEnded(state))
const statesOf = (status: SessionStatus): JobState[] =>
  jobStates.filter((state) => statuses[state] === (synonyms[status] ?? status))

/**
 * The sessions of a command line. Without --all or --status the request leaves ended sessions out: a user may have 100,000.
 * Waiting sessions are asked for first. One that starts between the two requests is then in both answers and not in none.
 */
async function fetchSessions(session: Session, { all, kind, status }: PsOptions): Promise<SessionRecord[]> {
  if (all === true || status !== undefined) return session.fetch({ kind, status })
  const waiting = await session.fetch({ kind, status: 'Pending' })
  const running = await session.fetch({ kind, status: 'Running' })
  const started = new Set(running.map(({ id }) => id))
  return [...waiting.filter(({ id }) => !started.has(id)), ...running]
}

/** Oldest start first; sessions that have not started come last. */
const byStart = (a: Listed, b: Listed): number =>
  (a.startTime === undefined ? Infinity : Date.parse(a.startTime)) -
    (b.startTime === undefined ? Infinity : Date.parse(b.startTime)) || a.name.localeCompare(b.name)

const layout: Column[] = [
  { title: 'ID' },
  { title: 'NAME', cut: 'end' },
  { title: 'KIND', droppable: 1 },
  { title: 'STATUS' },
  { title: 'EXIT', align: 'right', droppable: 2 },
  { title: 'STARTED', droppable: 3 },
  { title: 'IMAGE', cut: 'start', droppable: 4 },
]

const colours = { Running: 'green', Failed: 'red', Error: 'red', Pending: 'yellow', Terminating: 'yellow' } as const

/** The table of sessions that people see. `now` is in milliseconds since the epoch. */
export function sessionTable(sessions: readonly Listed[], now: number, width: number): string {
  const started = ({ startTime }: Listed): string =>
    startTime === undefined ? '' : `${duration((now - Date.parse(startTime)) / 1000)} ago`
  // A column with one value for every session is left out.
  const hasKinds = sessions.some(({ type }) => type !== 'headless')
  const hasExits = sessions.some(({ exitCode }) => exitCode !== undefined)
  const isShown = ({ title }: Column): boolean => (title !== 'KIND' || hasKinds) && (title !== 'EXIT' || hasExits)
  const rows = sessions.map((session): Record<string, string> => {
    const { id, name, type, status, exitCode, image } = session
    const exit = exitCode === undefined ? '' : String(exitCode)
    return { ID: id, NAME: name, KIND: type, STATUS: status, EXIT: exit, STARTED: started(session), IMAGE: image }
  })
  const shown = layout.filter(isShown)
  return table(
    shown,
    rows.map((row) => shown.map(({ title }) => row[title] ?? '')),
    width,
    (text, title) => {
      const colour = title === 'STATUS' ? colours[text as keyof typeof colours] : undefined
      return colour === undefined ? text : paint(colour, text)
    },
  )
}
