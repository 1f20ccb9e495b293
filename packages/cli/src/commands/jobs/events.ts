import { parseSessionEvents } from '@science-platform/client'
import type { JobEvent } from '@science-platform/contract'
import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { invocationOf, show } from '../../invocation.ts'
import { platformFor, type Platform } from '../../platform.ts'
import { wrap } from '../../output/fields.ts'
import { columns } from '../../output/terminal.ts'

/** The events of one job. */
interface EventsOf {
  readonly id: string
  readonly events: readonly (Omit<JobEvent, 'type'> & { readonly type: string })[]
}

/** Defines `canfar events`. */
export function define(program: Command): void {
  program
    .command('events')
    .description('List the events of jobs, oldest first.')
    .argument('<ids...>', 'ids of jobs')
    .addHelpText(...examples('canfar events k3x9a0qz'))
    .action(async (ids: readonly string[], _options: unknown, self: Command) => {
      const invocation = invocationOf(self)
      const platform = await platformFor(invocation)
      const all: EventsOf[] = []
      for (const id of ids) all.push({ id, events: await eventsOf(platform, id) })
      await show(invocation, all, (list) => list.map((of) => eventsText(of, columns(), list.length > 1)).join('\n\n'))
    })
}

async function eventsOf({ session, jobs: detect }: Platform, id: string): Promise<EventsOf['events']> {
  const jobs = await detect()
  if (jobs !== undefined) return jobs.events(id)
  const texts = await session.events(id)
  return parseSessionEvents(texts[id] ?? '').map(({ type, reason, message, firstTime, lastTime }) => ({
    at: lastTime === '<none>' ? firstTime : lastTime,
    type,
    reason,
    message,
  }))
}

/** Events as lines `time reason message`; long messages continue in their own column. */
export function eventsText({ id, events }: EventsOf, width: number, withId: boolean): string {
  const heading = withId ? [`${id}:`] : []
  if (events.length === 0) return [...heading, 'No events yet.'].join('\n')
  const reasonSize = Math.max(...events.map(({ reason }) => reason.length))
  const lines = events.flatMap(({ at, type, reason, message }) => {
    const when = Number.isNaN(Date.parse(at)) ? at : new Date(at).toISOString().slice(0, 19).replace('T', ' ')
    const start = `${when}  ${reason.padEnd(reasonSize)}  `
    const marked = type === 'Warning' ? `warning: ${message}` : message
    const room = Math.max(20, width - start.length)
    return wrap(marked, room).map((line, index) => (index === 0 ? start : ' '.repeat(start.length)) + line)
  })
  return [...heading, ...lines].join('\n')
}
