import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serverAddresses } from './addresses.ts'

test('a server may be named by any of its addresses', () => {
  const expected = {
    root: 'http://127.0.0.1:8080',
    skaha: 'http://127.0.0.1:8080/skaha',
    version: 'v1',
    session: 'http://127.0.0.1:8080/skaha/v1',
    api: 'http://127.0.0.1:8080/api/v1',
  }
  for (const end of ['', '/', '/skaha', '/skaha/', '/skaha/v1', '/skaha/v1/', '/api/v1'])
    assert.deepEqual(serverAddresses(`http://127.0.0.1:8080${end}`), expected)
})

test('a server may have a path, another version, and a name that begins with v', () => {
  const { root, session, api } = serverAddresses('https://v2.example.org/platform/skaha/v0')
  assert.deepEqual(
    [root, session, api],
    [
      'https://v2.example.org/platform',
      'https://v2.example.org/platform/skaha/v0',
      'https://v2.example.org/platform/api/v1',
    ],
  )
})

test('other texts are refused with a reason', () => {
  for (const text of ['', 'example.org', 'ftp://example.org', 'localhost:8080'])
    assert.throws(() => serverAddresses(text), /is not a server address/)
})
