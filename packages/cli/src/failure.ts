import type { ExitReason } from './exit-codes.ts'

/** An error that a command finds itself. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly reason: ExitReason
  readonly code: string
  readonly hint: string | undefined

  constructor(reason: ExitReason, code: string, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.reason = reason
    this.code = code
    this.hint = hint
  }
}

/** An error in the command line. */
export const usageFailure = (message: string, hint?: string, cause?: unknown): CommandFailure =>
  new CommandFailure('usage', 'command.validation_failed', message, hint, cause)
