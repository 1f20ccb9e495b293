/** Escapes of one letter in `$'…'`. */
const letters: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  e: '\u001b',
  E: '\u001b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '?': '?',
}

/** A run of bytes, a character by its number, a control character, or a letter; other backslashes are text. */
const escape =
  /((?:\\[0-7]{1,3}|\\x[0-9a-fA-F]{1,2})+)|\\u([0-9a-fA-F]{1,4})|\\U([0-9a-fA-F]{1,8})|\\c([^])|\\([abeEfnrtv\\'"?])/g

/** The text inside `$'…'` with its escapes replaced as bash does; `bad` is an escape whose bytes are not UTF-8. */
export function escapedText(
  inside: string,
): { readonly text: string } | { readonly bad: string; readonly offset: number } {
  let text = ''
  let end = 0
  for (const found of inside.matchAll(escape)) {
    const replacement = textOfEscape(found)
    if (replacement === undefined) return { bad: found[0], offset: found.index }
    text += inside.slice(end, found.index) + replacement
    end = found.index + found[0].length
  }
  return { text: text + inside.slice(end) }
}

function textOfEscape([, bytes, short, long, control, letter]: RegExpExecArray): string | undefined {
  if (bytes !== undefined) return textOfBytes(bytes)
  if (control !== undefined) return String.fromCharCode(control === '?' ? 0x7f : control.charCodeAt(0) & 0x1f)
  return letter === undefined ? character(parseInt(short ?? long ?? '', 16)) : letters[letter]
}

/** The text of byte escapes such as `\xc3\xa9` or `\303\251`; undefined when the bytes are not UTF-8. */
function textOfBytes(escapes: string): string | undefined {
  const bytes = escapes
    .split('\\')
    .slice(1)
    .map((digits) => (digits.startsWith('x') ? parseInt(digits.slice(1), 16) : parseInt(digits, 8) & 0xff))
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))
  } catch {
    return undefined
  }
}

/** A character by its number; undefined for surrogates and numbers that Unicode does not have. */
const character = (code: number): string | undefined =>
  code > 0x10_ffff || (code >= 0xd800 && code <= 0xdfff) ? undefined : String.fromCodePoint(code)
