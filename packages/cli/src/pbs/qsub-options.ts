import { usageFailure } from '../failure.ts'
import type { Directive } from './job-script.ts'
import { readOptionWords, type OptionLetters } from './option-words.ts'
import { readResources, type PbsResources } from './resources.ts'
import { namedVariables } from './variables.ts'
import { hasOtherVariable, pathVariables } from './wrapper.ts'

/** Options of a submission, from the command line and the script. */
export interface QsubOptions {
  readonly name?: string
  readonly output?: string
  readonly error?: string
  /** Which stream goes where: `oe` both to stdout, `eo` both to stderr, `n` each to its own. */
  readonly join?: 'oe' | 'eo' | 'n'
  readonly resources: PbsResources
  readonly shell?: string
  readonly exportsAll: boolean
  readonly variables: Readonly<Record<string, string>>
  readonly folder?: string
  readonly group?: string
  readonly isQuiet: boolean
}

/** The one queue of this platform, as PBS programs print and take it. */
export const queueName = 'batch'

/** How to get help about qsub. */
const qsubHelp = 'see qsub --help'

/** The options of qsub. */
export const letters: OptionLetters = {
  ...Object.fromEntries('NoejlqSvdAPWmMrpkatJcCu'.split('').map((letter) => [letter, 'value'] as const)),
  ...Object.fromEntries('VzhIX'.split('').map((letter) => [letter, 'flag'] as const)),
}

/** Options that change nothing here, each with the reason that the help gives. */
export const withoutEffect: Readonly<Record<string, string>> = {
  m: 'no mail is sent',
  M: 'no mail is sent',
  r: 'a job that has run never runs again',
  p: 'the order is that of canfar queue',
  k: 'files are written where -o and -e say',
}

const refused: Readonly<Record<string, readonly [what: string, fix: string]>> = {
  t: ['arrays are not supported', 'submit a job for each index; in Nextflow leave the directive array out'],
  J: ['arrays are not supported', 'submit a job for each index; in Nextflow leave the directive array out'],
  a: ['a later start is not supported', 'use canfar create --after 18:00'],
  h: ['jobs cannot be held', 'submit the job when it may start'],
  I: ['interactive jobs are not supported', 'create a session: canfar create notebook IMAGE'],
  X: ['there is no X11 display', 'create a session: canfar create desktop IMAGE'],
  c: ['there are no checkpoints', 'leave it out; canfar create --signal warns a job before its time limit'],
  C: ['lines of options begin with #PBS', 'rename them in the script'],
  u: ['jobs run as the user of the token', 'leave it out'],
}

/**
 * The options of a command line and of the directives of its script. The command line counts where both say something; each resource of
 * `-l` and each variable of `-v` counts by itself. @param environment - the caller's, for `-v NAME`
 */
export function qsubOptions(
  commandLine: OptionPairs,
  directives: readonly Directive[],
  environment: Readonly<Record<string, string | undefined>>,
): QsubOptions {
  const fromScript = directives.flatMap(({ words, where }) => {
    const { options, operands } = readOptionWords(words, letters, qsubHelp, where)
    if (operands.length > 0) throw usageFailure(`${where}'${operands[0]}' belongs to no option`, qsubHelp)
    return options.map(([letter, value]) => ({ letter, value, where }))
  })
  const typed = commandLine.map(([letter, value]) => ({ letter, value, where: '' }))
  return [...fromScript, ...typed].reduce(
    (options, { letter, value, where }): QsubOptions => ({
      ...options,
      ...effectOf(letter, value, where, options, environment),
    }),
    { resources: {}, exportsAll: false, variables: {}, isQuiet: false } satisfies QsubOptions as QsubOptions,
  )
}

type OptionPairs = readonly (readonly [letter: string, value: string])[]

/** Splits the command line of qsub. */
export const qsubWords = (words: readonly string[]): ReturnType<typeof readOptionWords> =>
  readOptionWords(words, letters, qsubHelp)

function effectOf(
  letter: string,
  value: string,
  where: string,
  { resources, variables }: QsubOptions,
  environment: Readonly<Record<string, string | undefined>>,
): Partial<QsubOptions> {
  if (Object.hasOwn(withoutEffect, letter)) return {}
  const refusal = Object.hasOwn(refused, letter) ? refused[letter] : undefined
  if (refusal !== undefined) {
    const is = value === '' ? '' : ` is '${value}'`
    throw usageFailure(`${where}-${letter}${is}: ${refusal[0]}`, refusal[1])
  }
  switch (letter) {
    case 'N':
      return { name: required(letter, value, where) }
    case 'o':
      return { output: pathOf(letter, value, where) }
    case 'e':
      return { error: pathOf(letter, value, where) }
    case 'j':
      return { join: joinOf(value, where) }
    case 'l':
      return { resources: { ...resources, ...readResources(value, where) } }
    case 'q':
      if (value === queueName) return {}
      throw usageFailure(
        `${where}-q is '${value}': this platform has one queue`,
        `leave -q out, or use -q ${queueName}`,
      )
    case 'S':
      return { shell: required(letter, value.replace(/@[^,]*/g, '').split(',')[0] ?? '', where) }
    case 'V':
      return { exportsAll: true }
    case 'v':
      return { variables: { ...variables, ...namedVariables(value, environment, where) } }
    case 'd':
      return { folder: required(letter, value, where) }
    case 'A':
    case 'P':
      return { group: required(letter, value, where) }
    case 'z':
      return { isQuiet: true }
    default:
      return attributeOf(value, where, resources)
  }
}

function required(letter: string, value: string, where: string): string {
  if (value.trim() === '') throw usageFailure(`${where}-${letter} is empty`, qsubHelp)
  return value
}

/** A path of `-o` or `-e` without its host: all jobs see the same /arc. */
function pathOf(letter: string, value: string, where: string): string {
  const path = required(letter, value, where).replace(/^[^/:]+:/, '')
  if (hasOtherVariable(path))
    throw usageFailure(
      `${where}-${letter} is '${value}'`,
      `of variables only ${pathVariables.join(', ')} are replaced; write the path without others`,
    )
  return path
}

function joinOf(value: string, where: string): 'oe' | 'eo' | 'n' {
  if (value === 'oe' || value === 'eo' || value === 'n') return value
  throw usageFailure(
    `${where}-j is '${value}'`,
    'use -j oe (both to the file of -o), -j eo (both to that of -e) or -j n',
  )
}

/** `-W image=…` beside `-l image=…`: Nextflow drops the cores of a process whose clusterOptions have an -l. */
function attributeOf(value: string, where: string, resources: PbsResources): Partial<QsubOptions> {
  const [, key, text] = /^(image|group_list)=(.+)$/.exec(value) ?? []
  if (key === 'image') return { resources: { ...resources, image: text ?? '' } }
  if (key === 'group_list') return { group: text ?? '' }
  const isDepend = value.startsWith('depend=')
  throw usageFailure(
    `${where}-W is '${value}': ${isDepend ? 'jobs cannot wait for jobs' : 'the attribute is not known here'}`,
    isDepend
      ? 'let the workflow engine submit each job when it may start'
      : 'known are -W image=IMAGE and -W group_list=GROUP',
  )
}
