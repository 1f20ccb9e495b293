import { createHash } from 'node:crypto'
import type { StoredJob } from '../../job/job.ts'

/** Programs that run what their first argument names. */
const interpreters =
  /^(?:python[\d.]*|perl|ruby|node|julia|Rscript|java|casa|sh|bash|dash|zsh|ksh|env|time|nice|xargs)$/
/** 132 bits of a hash in base 64. */
const keyLength = 22

/** Options of interpreters after which the program itself stands. */
const inlineProgram = /^-[a-z]*[ce]$/

/**
 * What jobs have in common that are expected to run alike: user, image without its tag, and command without its data. The
 * command is the program and, behind an interpreter, the script; of a line for a shell all but its numbers. As a hash, since
 * it is stored and commands are nobody's to read in a copy of the database. Pure.
 */
export function alike(job: Pick<StoredJob, 'owner' | 'image' | 'cmd' | 'args'>): string {
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
