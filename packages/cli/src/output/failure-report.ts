import { ProblemError, SessionError, SessionRequestError, UnreachableError } from '@science-platform/client'
import { CommanderError } from 'commander'
import { exitCodes, type ExitReason } from '../exit-codes.ts'
import { CommandFailure } from '../failure.ts'
import type { OutputFormat } from './format.ts'
import { note } from './terminal.ts'

/** An error for the user: a line about what happened, and a line about what to do. */
export interface FailureReport {
  /** For programs, as with the published client: `transport.failure`. */
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly exitCode: number
}

/** The report of any error. `help` is the command that explains the command line. */
export function reportOf(error: unknown, help = 'canfar help'): FailureReport {
  if (error instanceof CommandFailure) return report(error.reason, error.code, error.message, error.hint)
  if (error instanceof ProblemError) return problemReport(error)
  if (error instanceof SessionRequestError) return requestReport(error)
  if (error instanceof SessionError) return severalReport(error)
  if (error instanceof UnreachableError)
    return report(
      'unreachable',
      'transport.failure',
      error.message,
      'check that the server runs, and its address: canfar server ls',
    )
  if (error instanceof CommanderError)
    return report('usage', 'command.validation_failed', commanderMessage(error), commanderHelp(error, help))
  if (error instanceof TypeError || error instanceof RangeError)
    return report('usage', 'command.validation_failed', error.message, help)
  const message = error instanceof Error ? error.message : String(error)
  return report('failure', 'command.failed', message, 'add --debug to print where it happened')
}

function report(reason: ExitReason, code: string, message: string, hint?: string): FailureReport {
  return { code, message, ...(hint === undefined ? {} : { hint }), exitCode: exitCodes[reason].code }
}

const loginHint = 'log in again: canfar auth login'
const serverHint = 'try again; if the error stays, report it to the people who run the server'

function reasonOf(status: number): ExitReason {
  if (status === 401 || status === 403) return 'unauthorized'
  if (status === 404 || status === 410) return 'notFound'
  if (status === 502 || status === 503 || status === 504) return 'unreachable'
  return status >= 400 && status < 500 ? 'refused' : 'failure'
}

function problemReport({ status, type, message, hint, field }: ProblemError): FailureReport {
  const where = field === undefined || message.includes(field) ? '' : ` (${field})`
  const code = status === 401 ? 'authentication.credential_invalid' : `server.${type.replace('about:blank', 'error')}`
  return report(reasonOf(status), code, message + where, hint ?? defaultHint(status))
}

function requestReport({ status, text, message }: SessionRequestError): FailureReport {
  const reason = reasonOf(status)
  const codes: Partial<Record<ExitReason, string>> = {
    unauthorized: status === 401 ? 'authentication.credential_invalid' : 'server.forbidden',
    notFound: 'server.not-found',
    refused: 'server.invalid-request',
    unreachable: 'transport.failure',
  }
  return report(reason, codes[reason] ?? 'server.internal', text === '' ? message : text, defaultHint(status))
}

function defaultHint(status: number): string | undefined {
  const reason = reasonOf(status)
  if (reason === 'unauthorized') return status === 401 ? loginHint : 'ask the people who run the server for access'
  if (reason === 'notFound') return 'list your jobs: canfar ps --all'
  if (status === 429) return 'try again in a few seconds; replicas of one create are one request'
  return reason === 'refused' ? 'show the state of a job: canfar info ID' : serverHint
}

/** The first failure decides the exit code; the message names all. */
function severalReport(error: SessionError): FailureReport {
  const failed = error.outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome]))
  const first = reportOf(failed[0]?.error)
  const lines = failed.map(({ target, error: cause }) => ({ target, message: reportOf(cause).message }))
  const messages = lines.map(({ target, message }) => (message.includes(target) ? message : `${target}: ${message}`))
  return { ...first, message: messages.join('\ncanfar: ') }
}

const commanderHelp = ({ code }: CommanderError, help: string): string =>
  code === 'commander.unknownCommand' ? 'canfar help' : help

const commanderMessage = ({ message }: CommanderError): string => message.replace(/^error: /, '').replaceAll('\n', ' ')

/** Prints a failure on stderr: two lines for people, one object for programs, like the published client. */
export function reportFailure({ code, message, hint }: FailureReport, format: OutputFormat): void {
  if (format === 'human') {
    note(`canfar: ${message}`)
    if (hint !== undefined) note(`fix: ${hint}`)
    return
  }
  // JSON is valid YAML too.
  note(JSON.stringify({ code, message, hint: hint ?? null }))
}
