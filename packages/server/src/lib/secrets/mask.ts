import { prefixLength } from './token-text.ts'

/** A token, or the greater part of one. */
const tokens = /sp_[0-9a-z]{15,}/gi

/** `user:password@`, as it stands before a host; not the tag before a digest. */
const credentials = /(^|[\s"'`(/=])[^\s"'/@:]{1,256}:[^\s"'/@]{1,4096}@(?!sha\d+:)/g

/**
 * A text without the secrets that people put where they do not belong: of tokens the beginning is left, of `user:password@`
 * nothing. For what is told and logged; what must stay secret is not in it in the first place. Pure.
 */
export const masked = (text: string): string =>
  text.replaceAll(tokens, (token) => `${token.slice(0, prefixLength)}…`).replaceAll(credentials, '$1…@')
