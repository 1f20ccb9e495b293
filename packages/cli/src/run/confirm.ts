import { CommandFailure } from '../failure.ts'
import { isInteractive } from '../output/terminal.ts'
import { ask } from './prompt.ts'

/** A question before something is removed. */
export interface Question {
  readonly text: string
  /** The option that answers yes. */
  readonly option: '--force' | '--yes'
  /** What a no has left as it was. */
  readonly kept: string
}

/** Asks on the terminal. @throws {CommandFailure} where the answer is not yes, or there is no terminal to ask on. */
export async function confirm({ text, option, kept }: Question): Promise<void> {
  requireTerminal(text, option)
  const answer = await ask(`${text} [y/N] `)
  if (!/^y(es)?$/i.test(answer)) throw new CommandFailure('failure', 'command.cancelled', kept)
}

/** @throws {CommandFailure} where there is no terminal to ask on. */
export function requireTerminal(question: string, option: Question['option']): void {
  if (isInteractive()) return
  throw new CommandFailure(
    'failure',
    'command.cancelled',
    `there is no terminal to ask on: ${question}`,
    `add ${option} to answer yes`,
  )
}
