import { CommanderError } from 'commander'
import { exitCodes } from './exit-codes.ts'
import { usageFailure } from './failure.ts'
import { requestedFormat } from './output/format.ts'
import { note } from './output/terminal.ts'
import { requireUtf8Words } from './run/command-words.ts'
import { chosenCommand, createProgram, splitCommandLine } from './program.ts'

/** Runs one command line and sets the exit code of the process. */
async function main(argv: readonly string[]): Promise<void> {
  const line = splitCommandLine(argv)
  try {
    await requireUtf8Words(argv, process.env)
    const program = await createProgram(line)
    if (line.words.length === 0) program.outputHelp()
    else if (line.command.length > 0 && !line.words.includes('create'))
      throw usageFailure('only create takes a command after --', 'leave -- out')
    else await program.parseAsync(line.words, { from: 'user' })
  } catch (error) {
    // commander reports requested help as an error with code 0.
    if (error instanceof CommanderError && error.exitCode === 0) return
    // Loaded on demand, because it loads the whole SDK.
    const { reportFailure, reportOf } = await import('./output/failure-report.ts')
    const command = chosenCommand(line.words)
    const report = reportOf(error, command === undefined ? 'canfar help' : `canfar help ${command}`)
    reportFailure(report, requestedFormat(argv))
    if (line.words.includes('--debug')) note(error instanceof Error ? (error.stack ?? error.message) : String(error))
    process.exitCode = report.exitCode
  }
}

// A closed pipe is not an error: head closes it after its last line.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  const [what, fix] =
    error.code === 'ENOSPC' || error.code === 'EDQUOT'
      ? ['there is no room for the output', 'make room, or write the output to another disk']
      : [`the output cannot be written: ${error.message}`, 'check where stdout goes to']
  note(`canfar: ${what}\nfix: ${fix}`)
  process.exit(exitCodes.failure.code)
})

await main(process.argv.slice(2))
