import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { hashToken, isTokenShaped, newToken, sameHash } from './token-text.ts'

describe('a token', () => {
  it('is recognised by its mark, identified by its prefix and stored as its SHA-256', () => {
    const made = newToken()
    assert.match(made.token, /^sp_[0-9a-z]{52}$/)
    assert.ok(isTokenShaped(made.token))
    assert.ok(made.token.startsWith(made.prefix))
    assert.equal(made.prefix.length, 9)
    assert.match(made.hash, /^[0-9a-f]{64}$/)
    assert.equal(made.hash, hashToken(made.token))
    assert.ok(!made.token.includes(made.id))
  })

  it('encodes all 256 bits of its source: a different bit gives a different token', () => {
    const at = (flipped: number) =>
      newToken((bytes) =>
        Uint8Array.from({ length: bytes }, (_, i) => (i === flipped >> 3 ? 0x80 >> (flipped & 7) : 0)),
      )
    const tokens = new Set(Array.from({ length: 256 }, (_, bit) => at(bit).token))
    assert.equal(tokens.size, 256)
  })

  it('has a unique format', () => {
    for (const text of [
      '',
      'sp_',
      'sp_abc',
      `sp_${'u'.repeat(52)}`,
      `sp_${'a'.repeat(53)}`,
      `SP_${'a'.repeat(52)}`,
      `sp_${'a'.repeat(52)}\n`,
    ])
      assert.equal(isTokenShaped(text), false, JSON.stringify(text))
  })

  it('is compared as a whole', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.string(),
        (a, b) => sameHash(a, b) === (Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0),
      ),
    )
  })
})
