import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** The start of every token, so that people and secret scanners recognise it. */
const mark = 'sp_'

/** Crockford's base 32: without i, l, o and u, so that a token read aloud or from paper is unambiguous. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** Characters of a token that are shown, stored and listed: its mark and six letters. */
export const prefixLength = mark.length + 6

/** 256 bits in five-bit letters. */
const letters = 52

/** Random bytes per token: at least as many bits as its letters encode. */
export const tokenBytes = 33

const pattern = new RegExp(`^${mark}[${alphabet}]{${letters}}$`)

/** A new token. Its text is known only at this moment. */
export interface NewToken {
  /** Given to its owner once. */
  readonly token: string
  /** Identifies the token in lists and for revocation. Reveals nothing of its text. */
  readonly id: string
  /** Its prefix, by which its owner distinguishes tokens. The 226 bits after it are secret. */
  readonly prefix: string
  /** What is stored instead of the token. */
  readonly hash: string
}

/** Makes a token of 256 random bits. @defaultValue random: the system's secure source */
export const newToken = (random: (bytes: number) => Uint8Array = randomBytes): NewToken =>
  identified(tokenOf(random(tokenBytes)), random)

/** The token that encodes these {@link tokenBytes} bytes. */
export const tokenOf = (bytes: Uint8Array): string => mark + readable(bytes).slice(0, letters)

/** A token with its id, prefix and hash. */
export const identified = (token: string, random: (bytes: number) => Uint8Array = randomBytes): NewToken => ({
  token,
  id: readable(random(8)).slice(0, 12),
  prefix: token.slice(0, prefixLength),
  hash: hashToken(token),
})

/** SHA-256, in hexadecimal. A token has 256 random bits, so neither a salt nor a slow hash would add security. */
export const hashToken = (token: string): string => hash('sha256', token)

/** Whether a text has the format of a token. Other texts need no look-up. */
export const isTokenShaped = (text: string): boolean => pattern.test(text)

/** Compares two hashes in constant time. */
export function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Encodes bytes as letters of {@link alphabet}, five bits each. Left-over bits at the end are dropped. */
function readable(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet.charAt((held >>> bits) & 31)
    }
    held &= (1 << bits) - 1
  }
  return text
}
