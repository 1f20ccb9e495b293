import {
  sessionKinds,
  sessionStatuses,
  type Session,
  type SessionKind,
  type SessionStatus,
} from '@science-platform/client'
import type { SessionRecord } from '@science-platform/contract'
import { Option, type Command } from 'commander'
import { examples } from '../../examples.ts'
import { usageFailure } from '../../failure.ts'
import { invocationOf, show } from '../../invocation.ts'
import { platformFor } from '../../platform.ts'
import { duration } from '../../output/quantities.ts'
import { table, type Column } from '../../output/table.ts'
import { columns, note, paint, print } from '../../output/terminal.ts'

interface PsOptions {
  readonly all?: true
  readonly quiet?: true
  readonly kind?: SessionKind
  readonly status?: SessionStatus
}

/** Defines `canfar ps`. */
export function define(program: Command): void {
  program
    .command('ps')
    .description('List your jobs and sessions that wait or run.')
    .option('-a, --all', 'list ended jobs too')
    .option('-q, --quiet', 'print only the ids')
    .addOption(new Option('-k, --kind <kind>', 'list only sessions of this kind').choices(sessionKinds))
    .addOption(new Option('-s, --status <status>', 'list only sessions with this status').choices(sessionStatuses))
    .addHelpText(...examples('canfar ps', 'canfar ps --all --status Failed'))
    .action(async (options: PsOptions, self: Command) => {
      const invocation = invocationOf(self)
      if (options.quiet === true && invocation.format !== 'human')
        throw usageFailure('--quiet cannot be combined with --json or --output', 'leave one of them out')
      const { session } = await platformFor(invocation)
      const sessions = (await fetchSessions(session, options)).toSorted(byStart)
      if (options.quiet === true) {
        if (sessions.length > 0) print(sessions.map(({ id }) => id).join('\n'))
      } else if (invocation.format === 'human' && sessions.length === 0) {
        note(options.all === true ? 'There are no jobs.' : 'No job waits or runs. List ended jobs too: canfar ps --all')
      } else {
        await show(invocation, sessions, (all) => sessionTable(all, Date.now(), columns()))
      }
    })
}

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
const byStart = (a: SessionRecord, b: SessionRecord): number =>
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
export function sessionTable(sessions: readonly SessionRecord[], now: number, width: number): string {
  const started = ({ startTime }: SessionRecord): string =>
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
