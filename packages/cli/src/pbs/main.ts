import { version } from '../commands/setup/version.ts'
import { exitCodes } from '../exit-codes.ts'
import { usageFailure } from '../failure.ts'
import { note, print } from '../output/terminal.ts'
import { helpText, pbsPrograms, type PbsProgram } from './help.ts'

/** Runs the program that the first word names: the launchers in `bin/pbs/` pass their own name. */
async function main([name = '', ...words]: readonly string[]): Promise<void> {
  const program = pbsPrograms.find((each) => each === name) ?? 'qsub'
  try {
    if (words.includes('--help') && !words.slice(0, words.indexOf('--help')).includes('--')) print(helpText(program))
    else if (words[0] === '--version') print(`${program} of science-platform ${version()}`)
    else await run(program, words)
  } catch (error) {
    // Loaded on demand, because it loads the whole SDK.
    const { reportOf } = await import('../output/failure-report.ts')
    const { message, hint, exitCode } = reportOf(error, `see ${program} --help`)
    note(`${program}: ${message}${hint === undefined ? '' : `\nfix: ${hint}`}`)
    process.exitCode = exitCode
  }
}

async function run(program: PbsProgram, words: readonly string[]): Promise<void> {
  if (program === 'qsub') await (await import('./qsub.ts')).qsub(words)
  else if (program === 'qstat') await (await import('./qstat.ts')).qstat(words)
  else if (program === 'qdel') await (await import('./qdel.ts')).qdel(words)
  else throw usageFailure('pbsnodes prints its version alone', 'use pbsnodes --version, or canfar queue')
}

// A closed pipe is not an error: head closes it after its last line.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  note(`the output cannot be written: ${error.message}`)
  process.exit(exitCodes.failure.code)
})

await main(process.argv.slice(2))
