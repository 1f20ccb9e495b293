import { CommandFailure } from '../failure.ts'
import { exitCodes } from '../exit-codes.ts'

/** Handling of Ctrl-C: the first aborts the signal, the second ends the program at once. */
export interface Interruption {
  readonly signal: AbortSignal
  /** Sets a callback that prints, before the second Ctrl-C ends the program, what is lost. */
  onSecond(tell: () => void): void
  /** Restores the default of Ctrl-C. */
  release(): void
}

/** The failure of an interrupted command, with a hint. */
export const interrupted = (message = 'interrupted', hint?: string): CommandFailure =>
  new CommandFailure('interrupted', 'command.cancelled', message, hint)

/** Handles Ctrl-C until released. Other commands leave the default: Ctrl-C ends them. */
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
