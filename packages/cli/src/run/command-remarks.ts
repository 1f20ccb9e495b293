import { basename } from 'node:path'
import { splitWords } from '@science-platform/client'
import type { CauseCode } from '@science-platform/contract'
import type { TroubleshootingTopic } from '@science-platform/contract/troubleshooting'

/** What a remark says: what will happen, and what to do. */
export interface Remark {
  readonly message: string
  readonly hint: string
  /** Its place in the troubleshooting page. */
  readonly topic: TroubleshootingTopic | CauseCode
}

/** The command of a submission, as typed: `text` of --cmd and --args, `words` after `--`. */
export interface TypedCommand {
  readonly cmd?: string | undefined
  readonly args?: string | undefined
  readonly words: readonly string[]
}

const shells = ['sh', 'bash', 'dash', 'ash', 'ksh', 'zsh', 'fish']
/** Programs that read their script from stdin when they are started without a file. */
const readers = [...shells, 'python', 'python3', 'R', 'Rscript', 'perl', 'julia', 'node', 'ruby', 'cat', 'wc', 'sort']

/** Words that mean something to a shell alone. */
const operator = /^(?:\d*(?:>>?|<)(?:&\d+)?.*|\|\|?|&&?|;|&>.*)$/
const variable = /\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[^}]*\}|\()|`/
const home = /^~(?:$|\/)/

/** What no shell will interpret in a command; the first such piece. Pure. */
export function shellSyntaxIn({ cmd, args, words }: TypedCommand): string | undefined {
  const program = words.length > 0 && cmd === undefined ? words[0] : wordsIn(cmd ?? '')[0]
  if (program !== undefined && shells.includes(basename(program))) return undefined
  for (const text of [cmd, args]) {
    const found = text === undefined ? undefined : syntaxInText(text)
    if (found !== undefined) return found
  }
  // Words are as the user's shell left them: only what stands alone was surely meant for a shell.
  return words.find((word) => /^(?:\d*>>?|<|\|\|?|&&?|;|2>&1|~|~\/.*|\$\{?[A-Z_][A-Z0-9_]*\}?(?:\/.*)?)$/.test(word))
}

/** The first piece of a text that means something to a shell and stands outside of quotes that protect it. Pure. */
function syntaxInText(text: string): string | undefined {
  const withoutSingle = text.replaceAll(/\\.|\$?'[^']*'/gs, 'x')
  const withoutQuotes = withoutSingle.replaceAll(/"[^"]*"/g, 'x')
  const expanded = variable.exec(withoutSingle)?.[0]
  const bare = withoutQuotes.split(/\s+/).find((word) => operator.test(word) || home.test(word) || /[^;];$/.test(word))
  return bare ?? (expanded === undefined ? undefined : (/\$\w+/.exec(withoutSingle)?.[0] ?? expanded))
}

const wordsIn = (text: string): readonly string[] => {
  const split = splitWords(text)
  return 'words' in split ? split.words : text.split(/\s+/)
}

/** Whether a command reads its stdin, as far as can be told from its words. Pure. */
export function readsStdin({ cmd, args, words }: TypedCommand): boolean {
  const all = [...wordsIn(cmd ?? ''), ...wordsIn(args ?? ''), ...words]
  const [program, ...rest] = all
  if (program === undefined) return false
  if (rest.includes('-') || rest.includes('/dev/stdin')) return true
  const name = basename(program)
  return readers.includes(name) && (rest.length === 0 || (shells.includes(name) && rest.includes('-s')))
}

/** What to tell the user of a command before it is submitted. Pure. @param stdin whether something is piped into `canfar` */
export function remarksOn(command: TypedCommand, stdin: boolean): Remark[] {
  const remarks: Remark[] = []
  const syntax = shellSyntaxIn(command)
  if (syntax !== undefined)
    remarks.push({
      message: `'${syntax}' reaches the program as text: no shell runs the command`,
      hint: `run a shell: -- sh -c 'COMMAND ${syntax} …'`,
      topic: 'no-shell',
    })
  if (stdin && readsStdin(command))
    remarks.push({
      message: 'a job has no stdin: what is piped into canfar is not sent',
      hint: 'save the script below /arc and name it in the command',
      topic: 'no-stdin',
    })
  return remarks
}
