/**
 * A reporter of `node --test` that prints the ten slowest test files with their seconds. Where TEST_TIMES names a file, it appends a
 * line `SECONDS FILE` for each test file there, so that CI can print the slowest of all its steps.
 */
import { appendFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import type { TestEvent } from 'node:test/reporters'

/** Number of printed files. */
const shown = 10

/** A test file and its duration in seconds, from the start of its process to the end. */
interface FileTime {
  readonly file: string
  readonly seconds: number
}

/** The slowest files, one per line, slowest first. */
export const slowestLines = (times: readonly FileTime[]): string[] =>
  times
    .toSorted((one, other) => other.seconds - one.seconds)
    .slice(0, shown)
    .map(timeLine)

/** A file with its seconds as a line; `sort -rn` sorts such lines. */
const timeLine = ({ file, seconds }: FileTime): string => `${seconds.toFixed(1).padStart(7)} s  ${file}`

/** The duration of a file if the event is the end of a file, which node reports as a test named by its path. */
function fileTimeOf({ type, data }: TestEvent, root: string): FileTime | undefined {
  if (type !== 'test:complete' || data.file === undefined || resolve(root, data.name) !== data.file) return undefined
  return { file: relative(root, data.file), seconds: data.details.duration_ms / 1000 }
}

/** The function that `--test-reporter` calls. */
export default async function* slowestFiles(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const times: FileTime[] = []
  const log = process.env['TEST_TIMES']
  for await (const event of events) {
    const time = fileTimeOf(event, process.cwd())
    if (time === undefined) continue
    times.push(time)
    if (log !== undefined) appendFileSync(log, `${timeLine(time)}\n`)
  }
  if (times.length > 1) yield `\nThe slowest test files:\n${slowestLines(times).join('\n')}\n`
}
