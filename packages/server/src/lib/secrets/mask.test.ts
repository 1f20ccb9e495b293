import assert from 'node:assert/strict'
import { test } from 'node:test'
import { masked } from './mask.ts'
import { newToken } from './token-text.ts'

test('only the prefix of a token remains, wherever it occurs', () => {
  const { token, prefix } = newToken()
  for (const text of [token, `Bearer ${token}`, `/jobs/${token}/cancel?x=${token}`, `"${token.toUpperCase()}"`]) {
    const said = masked(text)
    assert.ok(!said.toLowerCase().includes(token), said)
    assert.ok(said.toLowerCase().includes(`${prefix}…`), said)
  }
})

test('credentials before a host are removed', () => {
  assert.equal(masked('docker://ada:hunter2@host/image:1'), 'docker://…@host/image:1')
  assert.equal(masked("image 'ada:hunter2@host/a:1'"), "image '…@host/a:1'")
  assert.equal(masked('https://:x@host ada:p@h'), 'https://:x@host …@h')
})

test('other text is unchanged', () => {
  for (const text of [
    'localhost/test:1@sha256:abcdef',
    'images.canfar.net/skaha/astroml:latest',
    'write to ada@example.org at 10:30',
    'the job k3x9a0qz is sp_short',
  ])
    assert.equal(masked(text), text)
})
