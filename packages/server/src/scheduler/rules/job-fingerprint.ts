import { createHash } from 'node:crypto'
import type { StoredJob } from '../../job/job.ts'

/** Programs that run the program named by their first argument. */
const interpreters =
  /^(?:python[\d.]*|perl|ruby|node|julia|Rscript|java|casa|sh|bash|dash|zsh|ksh|env|time|nice|xargs)$/
/** 132 bits of a hash in base 64. */
const keyLength = 22

/** Options of interpreters that the program text follows. */
const inlineProgram = /^-[a-z]*[ce]$/

/**
 * A hash of what jobs with similar run times have in common: user, image without its tag, and command without its data. Of a command
 * the program counts, after an interpreter the script, of a shell line all but its numbers. A hash, since the store keeps it and a
 * copy of the database must not disclose commands. Pure.
 */
export function jobFingerprint(job: Pick<StoredJob, 'owner' | 'image' | 'cmd' | 'args'>): string {
  const text = JSON.stringify([
    job.owner,
    repositoryOf(job.image),
    commandOf([...(job.cmd ?? []), ...(job.args ?? [])]),
  ])
  return createHash('sha256').update(text).digest('base64url').slice(0, keyLength)
}

/** The image without tag and digest. */
const repositoryOf = (image: string): string => image.replace(/@[^]*$/, '').replace(/:[^:/]*$/, '')

function commandOf(words: readonly string[]): string {
  const [first = '', ...rest] = words
  const program = first.slice(first.lastIndexOf('/') + 1)
  if (!interpreters.test(program)) return program
  const at = rest.findIndex((word) => inlineProgram.test(word) || !word.startsWith('-'))
  const next = rest[at]
  if (next === undefined) return program
  if (!inlineProgram.test(next)) return `${program} ${next}`
  return `${program} ${next} ${withoutNumbers(rest[at + 1] ?? '')}`
}

const withoutNumbers = (line: string): string => line.replaceAll(/\d+(\.\d+)?/g, '#').slice(0, 200)
