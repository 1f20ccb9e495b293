import { CommandFailure } from '../failure.ts'
import { exitCodes } from '../exit-codes.ts'

/** Ctrl-C taken in good order: the first one aborts the signal, the second one ends the program at once. */
export interface Interruption {
  readonly signal: AbortSignal
  /** Says on the second Ctrl-C what is lost by it; called just before the end. */
  onSecond(tell: () => void): void
  /** Gives Ctrl-C its usual meaning again. */
  release(): void
}

/** What a command was interrupted in, and what the user can do now. */
export const interrupted = (message = 'interrupted', hint?: string): CommandFailure =>
  new CommandFailure('interrupted', 'command.cancelled', message, hint)

/** Takes Ctrl-C over until it is released. Commands that hold nothing leave it alone and are simply ended by it. */
export function takeInterrupts(): Interruption {
  const controller = new AbortController()
  let tell: () => void = () => undefined
  const onInterrupt = (): void => {
    if (controller.signal.aborted) {
      tell()
      process.exit(exitCodes.interrupted.code)
    }
    controller.abort(interrupted())
  }
  process.on('SIGINT', onInterrupt)
  return {
    signal: controller.signal,
    onSecond: (callback) => {
      tell = callback
    },
    release: () => {
      process.off('SIGINT', onInterrupt)
    },
  }
}
