import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordingServer } from '@science-platform/client/testing/recording-server'
import type { Configuration } from './configuration.ts'
import { refreshIfExpired, refreshRequest, withRefreshedToken } from './token-refresh.ts'

const now = Date.parse('2026-11-23T00:00:00Z')

const configuration = (url: string, accessEnds: number, refreshEnds?: number): Configuration => ({
  version: 2,
  active: { authentication: 'srcnet', server: 's' },
  authentication: {
    srcnet: {
      mode: 'oidc',
      endpoints: { token: url },
      client: { identity: 'id', secret: 'se:cret' },
      token: { access: 'old', refresh: 'r1' },
      expiry: { access: accessEnds, ...(refreshEnds === undefined ? {} : { refresh: refreshEnds }) },
    },
  },
  servers: { s: { idp: 'srcnet', url: 'https://s/skaha', version: 'v1' } },
})

test('an expired token is refreshed like by the published client (wire contract 4.3)', () => {
  assert.deepEqual(refreshRequest(configuration('https://idp/token', 1), now), {
    key: 'srcnet',
    url: 'https://idp/token',
    authorization: `Basic ${Buffer.from('id:se:cret').toString('base64')}`,
    body: 'grant_type=refresh_token&refresh_token=r1',
  })
})

test('no request is made for a valid token, or without a refresh token', () => {
  assert.equal(refreshRequest(configuration('https://idp/token', now / 1000 + 60), now), undefined)
  assert.equal(refreshRequest(configuration('', 1), now), undefined)
  assert.equal(refreshRequest(configuration('https://idp/token', 1, 1), now), undefined)
})

test('an answer replaces the token and its expiry, and the refresh token if it has a new one', () => {
  const before = configuration('https://idp/token', 1)
  const after = withRefreshedToken(before, 'srcnet', { access_token: 'new', expires_in: 3600 }, now)
  assert.deepEqual(after?.authentication['srcnet']?.token, { access: 'new', refresh: 'r1' })
  assert.deepEqual(after?.authentication['srcnet']?.expiry, { access: now / 1000 + 3600 })
  assert.equal(withRefreshedToken(before, 'srcnet', { error: 'x' }, now), undefined)
})

test('the new token is saved, and a refusal names the provider', async () => {
  let status = 200
  const server = await recordingServer(() => ({
    status,
    body: { access_token: 'new', expires_in: 60, refresh_token: 'r2' },
  }))
  try {
    const saved: Configuration[] = []
    const save = (changed: Configuration): Promise<void> => {
      saved.push(changed)
      return Promise.resolve()
    }
    const before = configuration(`${server.url}/token`, 1)
    const after = await refreshIfExpired(before, save)
    assert.deepEqual(saved, [after])
    assert.deepEqual(after?.authentication['srcnet']?.token, { access: 'new', refresh: 'r2' })
    status = 400
    await assert.rejects(
      refreshIfExpired(before, save),
      /the token of 'srcnet' has expired, and .* refused a new token: HTTP 400/,
    )
  } finally {
    await server.close()
  }
})
