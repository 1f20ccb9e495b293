import { escapedText } from './shell-escapes.ts'

const plainWord = /^[A-Za-z0-9_@%+=:,./-]+$/

/** One word, quoted for a POSIX shell. A word of harmless characters stays as it is. */
export const quoteWord = (word: string): string => (plainWord.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/** Words as one line that {@link splitWords} and shells split into the same words. Plain words also survive splitting at spaces. */
export const joinWords = (words: readonly string[]): string => words.map(quoteWord).join(' ')

/** Why a line cannot be split. */
export interface SplitFault {
  readonly reason: 'unclosed-quote' | 'bad-escape'
  /** Names the quote or the escape and its position, which counts characters from 1. */
  readonly message: string
  readonly hint: string
  readonly position: number
}

/** The words of a line, or why it has none. */
export type SplitLine = { readonly words: readonly string[] } | { readonly fault: SplitFault }

/**
 * Splits a line by the quoting rules of a shell: `'…'`, `"…"`, `\` (POSIX 2024, Shell Command Language, 2.2), and bash's
 * `$'…'` and `$"…"`. Nothing is expanded: variables, globs, `#` and operators are plain text.
 */
export function splitWords(line: string): SplitLine {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < line.length;) {
    const piece = pieceAt(line, at)
    if (piece.type === 'fault') return { fault: faultOf(line, piece) }
    if (piece.type === 'text') word = (word ?? '') + piece.text
    else if (piece.type === 'blank' && word !== undefined) {
      words.push(word)
      word = undefined
    }
    at = piece.end
  }
  return { words: word === undefined ? words : [...words, word] }
}

/** A quote that is not closed, or an escape that stands for no text. */
interface FaultyPiece {
  readonly type: 'fault'
  readonly text: string
  readonly start: number
}

/** A part of a line: blanks end a word, text belongs to a word, a joint is a backslash with the line break after it. */
type Piece =
  | { readonly type: 'text'; readonly text: string; readonly end: number }
  | { readonly type: 'blank' | 'joint'; readonly end: number }
  | FaultyPiece

const blanks = /[ \t\r\n]+/y
const plain = /[^ \t\r\n\\'"$]+|\$/y

function pieceAt(line: string, at: number): Piece {
  if (line.startsWith('\\\n', at)) return { type: 'joint', end: at + 2 }
  if (line[at] === '\\') return { type: 'text', text: line.slice(at + 1, at + 2) || '\\', end: at + 2 }
  if (line[at] === "'") {
    const close = line.indexOf("'", at + 1)
    return close === -1
      ? { type: 'fault', text: "'", start: at }
      : { type: 'text', text: line.slice(at + 1, close), end: close + 1 }
  }
  const opening = ['"', '$"', "$'"].find((quote) => line.startsWith(quote, at))
  if (opening !== undefined) return quotedPiece(line, at, opening)
  const blank = matchAt(blanks, line, at)
  if (blank !== undefined) return { type: 'blank', end: at + blank.length }
  const text = matchAt(plain, line, at) ?? line.charAt(at)
  return { type: 'text', text, end: at + text.length }
}

/** A quoted piece in which a backslash keeps the closing quote from closing. */
function quotedPiece(line: string, at: number, opening: string): Piece {
  const start = at + opening.length
  let close = start
  while (close < line.length && line[close] !== opening.at(-1)) close += line[close] === '\\' ? 2 : 1
  if (close >= line.length) return { type: 'fault', text: opening, start: at }
  const inside = line.slice(start, close)
  if (opening !== "$'")
    return { type: 'text', text: inside.replace(/\\(?:\n|(["\\$`]))/g, (_, kept: string = '') => kept), end: close + 1 }
  const decoded = escapedText(inside)
  return 'bad' in decoded
    ? { type: 'fault', text: decoded.bad, start: start + decoded.offset }
    : { type: 'text', text: decoded.text, end: close + 1 }
}

function matchAt(pattern: RegExp, line: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(line)?.[0]
}

function faultOf(line: string, { text, start }: FaultyPiece): SplitFault {
  const position = Array.from(line.slice(0, start)).length + 1
  return text.startsWith('\\')
    ? {
        reason: 'bad-escape',
        message: `the escape ${text} at character ${position} stands for no UTF-8 text`,
        hint: 'Write the character itself, or \\u with its number in hexadecimal.',
        position,
      }
    : {
        reason: 'unclosed-quote',
        message: `the quote ${text} at character ${position} is not closed`,
        hint: `Close the quote, or write \\${text.at(-1) ?? ''} for the character itself.`,
        position,
      }
}
