import { InvalidRequest, shown } from '../../job/invalid.ts'

/** A part of a path pattern, between two slashes, as look.pl reads it: `=NAME`, `~REGULAR EXPRESSION` or `**`. */
export type PatternPart = `=${string}` | `~${string}` | '**'

/** Bytes of a pattern; a path has no more. */
const mostBytes = 4095

/**
 * The parts of a pattern for paths below /arc, as in a shell: `*`, `?`, `[a-z]`, `[!a-z]`, `\` before a character, and `**` for any depth of
 * folders. A star and a question mark match no dot at the beginning of a name. Pure.
 *
 * The regular expressions are for Perl and for bytes: a question mark matches one character of UTF-8. Each star but the last takes the
 * shortest text in an atomic group, which is enough for patterns of this kind, so that no name takes longer than its length times that of
 * the pattern.
 *
 * @param field - The field that an error names.
 * @throws {InvalidRequest}
 */
export function parsePattern(pattern: string, field = 'glob'): PatternPart[] {
  const refuse = (what: string, hint: string): never => {
    throw new InvalidRequest(field, `${field} is ${shown(pattern)}: ${what}`, hint)
  }
  if (pattern.includes('\0')) refuse('it contains a NUL byte', 'Remove the NUL byte.')
  if (Buffer.byteLength(pattern) > mostBytes) refuse(`it has more than ${mostBytes} bytes`, 'Use a shorter pattern.')
  if (!/^\/+arc(\/|$)/.test(pattern))
    refuse('it is no path below /arc', 'Give a whole path, such as /arc/projects/survey/*.fits.')
  const parts = pattern.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) refuse('it contains ..', 'Give the path without ..')
  const names = parts.filter((part, i) => part !== '**' || parts[i - 1] !== '**')
  if (names.filter((part) => part === '**').length > 1)
    refuse('it has ** more than once', 'Use ** once, and * elsewhere.')
  return names.map((part) => (part === '**' ? part : partOf(part, refuse)))
}

type Refuse = (what: string, hint: string) => never

/** A piece of the regular expression of a name. */
type Piece = { readonly type: 'text' | 'any'; readonly source: string } | { readonly type: 'star' }

function partOf(part: string, refuse: Refuse): PatternPart {
  const characters = Array.from(part)
  const pieces: Piece[] = []
  let literal = ''
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? ''
    if (character === '*') {
      if (pieces.at(-1)?.type !== 'star') pieces.push({ type: 'star' })
    } else if (character === '?') pieces.push({ type: 'any', source: anyCharacter })
    else if (character === '[') {
      const set = setAt(characters, at, refuse)
      pieces.push(set === undefined ? text('[') : { type: 'any', source: set.source })
      if (set === undefined) literal += '['
      else at = set.end
    } else {
      const plain =
        character === '\\' ? (characters[++at] ?? refuse('it ends in a backslash', 'Write \\\\.')) : character
      pieces.push(text(plain))
      literal += plain
    }
  }
  if (pieces.every(({ type }) => type === 'text')) return `=${literal}`
  // Names that begin with a dot are hidden, unless the pattern begins with one.
  const hidden = pieces[0]?.type === 'text' ? '' : '(?!\\.)'
  const last = pieces.findLastIndex(({ type }) => type === 'star')
  let source = ''
  let isOpen = false
  for (const [i, piece] of pieces.entries()) {
    if (piece.type !== 'star') {
      source += piece.source
      continue
    }
    if (isOpen) source += ')'
    isOpen = i !== last
    source += isOpen ? '(?>.*?' : '.*'
  }
  return `~\\A${hidden}${source}\\z`
}

const text = (character: string): Piece => ({ type: 'text', source: bytes(character) })

/** One character of UTF-8, or one byte of a name that is none. */
const anyCharacter = '(?>[\\xc0-\\xff][\\x80-\\xbf]+|[^\\x80-\\xbf]|(?<![\\x80-\\xff])[\\x80-\\xbf])'

/** The bytes of a text as a regular expression. */
const bytes = (of: string): string =>
  [...Buffer.from(of)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')

/** The set of characters that begins at `[`; undefined where no `]` ends it, as a shell reads it. */
function setAt(
  characters: readonly string[],
  start: number,
  refuse: Refuse,
): { readonly source: string; readonly end: number } | undefined {
  let at = start + 1
  const isNot = characters[at] === '!' || characters[at] === '^'
  if (isNot) at++
  const end = characters.indexOf(']', at + 1)
  if (end < 0) return undefined
  const within = characters.slice(at, end)
  if (within.includes('[') || within.includes('\\'))
    refuse('a set contains [ or a backslash', 'Use sets such as [abc], [a-z] or [!0-9].')
  const choices: string[] = []
  while (at < end) {
    const [first = '', dash, second = ''] = characters.slice(at, at + 3)
    if (dash === '-' && at + 2 < end) {
      if (first > second || first.charCodeAt(0) > 127 || second.charCodeAt(0) > 127)
        refuse(`${first}-${second} is no range`, 'Use ranges such as a-z or 0-9.')
      choices.push(`[${bytes(first)}-${bytes(second)}]`)
      at += 3
    } else {
      choices.push(bytes(first))
      at++
    }
  }
  const any = `(?>${choices.join('|')})`
  return { source: isNot ? `(?!${any})${anyCharacter}` : any, end }
}
