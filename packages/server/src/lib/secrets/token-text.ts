import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** What every token begins with, so that people and secret scanners recognise one. */
const mark = 'sp_'

/** Crockford's base 32: no i, l, o and u, so that a token read aloud or from paper is not mistaken. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** Characters of a token that are shown, stored and told in lists: its mark and six letters. */
export const prefixLength = mark.length + 6

/** 256 bits in five-bit letters. */
const letters = 52

/** Bytes that a token is made of: at least its letters hold. */
export const tokenBytes = 33

const pattern = new RegExp(`^${mark}[${alphabet}]{${letters}}$`)

/** A token at the moment it is made, the only one at which it is known. */
export interface NewToken {
  /** To be handed to its owner, once. */
  readonly token: string
  /** Names it in lists and when it is revoked; tells nothing about it. */
  readonly id: string
  /** Its beginning, for its owner to tell tokens apart. The 226 bits that follow keep it secret. */
  readonly prefix: string
  /** What is stored instead of the token. */
  readonly hash: string
}

/** Makes a token of 256 random bits. @defaultValue random: the system's secure source */
export const newToken = (random: (bytes: number) => Uint8Array = randomBytes): NewToken =>
  identified(tokenOf(random(tokenBytes)), random)

/** The token that these bytes stand for, {@link tokenBytes} of them. */
export const tokenOf = (bytes: Uint8Array): string => mark + readable(bytes).slice(0, letters)

/** A token with what it is known by. */
export const identified = (token: string, random: (bytes: number) => Uint8Array = randomBytes): NewToken => ({
  token,
  id: readable(random(8)).slice(0, 12),
  prefix: token.slice(0, prefixLength),
  hash: hashToken(token),
})

/** SHA-256, in hexadecimal. A token has 256 bits of its own, so that neither salt nor a slow hash would add anything. */
export const hashToken = (token: string): string => hash('sha256', token)

/** Whether a text has the form of a token; what has not need not be looked up. */
export const isTokenShaped = (text: string): boolean => pattern.test(text)

/** Whether two hashes are the same, in time that does not tell where they differ. */
export function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Bytes as letters of {@link alphabet}, five bits each; bits left over at the end are dropped. */
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
