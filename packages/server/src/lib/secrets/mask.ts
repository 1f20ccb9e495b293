import { prefixLength } from './token-text.ts'

/** Matches a token, or most of one. */
const tokens = /sp_[0-9a-z]{15,}/gi

/** Matches `user:password@` before a host, but not a tag before a digest. */
const credentials = /(^|[\s"'`(/=])[^\s"'/@:]{1,256}:[^\s"'/@]{1,4096}@(?!sha\d+:)/g

/**
 * Masks secrets in a text: only the prefix of a token remains, and `user:password@` is removed. It is a second line of
 * defence for logs and messages, which should contain no secrets in the first place. Pure.
 */
export const masked = (text: string): string =>
  text.replaceAll(tokens, (token) => `${token.slice(0, prefixLength)}…`).replaceAll(credentials, '$1…@')
