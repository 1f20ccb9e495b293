import type { FailureReport } from './failure.ts'
import type { OutputFormat } from './output/format.ts'
import { note } from './output/terminal.ts'

/** Tells a failure on stderr: two lines for people, one object for programs as the published client has it. */
export function reportFailure({ code, message, hint }: FailureReport, format: OutputFormat): void {
  if (format === 'human') {
    note(`canfar: ${message}`)
    if (hint !== undefined) note(`fix: ${hint}`)
    return
  }
  // One line of JSON is YAML too.
  note(JSON.stringify({ code, message, hint: hint ?? null }))
}
