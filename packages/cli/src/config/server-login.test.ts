import assert from 'node:assert/strict'
import { test } from 'node:test'
import { farFuture, withLogin, type Configuration } from './configuration.ts'
import { loginFrom } from './server-login.ts'

const saved = withLogin(undefined, {
  url: 'http://127.0.0.1:8080/skaha',
  version: 'v1',
  token: 'saved',
  expiresAt: farFuture,
})
const now = Date.parse('2026-11-23T00:00:00Z')

test('the environment alone is enough', () => {
  const login = loginFrom({ CANFAR_URL: 'http://h/skaha/v1/', CANFAR_TOKEN: 't', CANFAR_TIMEOUT: '5' }, undefined, now)
  assert.deepEqual(login, { url: 'http://h/skaha/v1', token: 't', timeoutSeconds: 5, banner: false })
})

test('CANFAR_URL needs no version', () => {
  for (const url of ['http://h', 'http://h/skaha', 'http://h/api/v1'])
    assert.equal(loginFrom({ CANFAR_URL: url, CANFAR_TOKEN: 't' }, undefined, now).url, 'http://h/skaha/v1')
})

test('the configuration is used without an environment', () => {
  const { url, token, server } = loginFrom({}, saved, now)
  assert.deepEqual([url, token, server], ['http://127.0.0.1:8080/skaha/v1', 'saved', 'server-127-0-0-1-8080'])
})

test('a saved token is sent to its own server only', () => {
  assert.equal(loginFrom({ CANFAR_URL: 'http://127.0.0.1:8080/skaha/v1' }, saved, now).token, 'saved')
  assert.throws(() => loginFrom({ CANFAR_URL: 'http://elsewhere/skaha/v1' }, saved, now), /the saved login is for/)
})

test('registry credentials come from the environment, else from the configuration', () => {
  const withRegistry: Configuration = { ...saved, registry: { username: 'u', secret: 's' } }
  assert.deepEqual(loginFrom({}, withRegistry, now).registry, { username: 'u', secret: 's' })
  const environment = { CANFAR_REGISTRY__USERNAME: 'v', CANFAR_REGISTRY__SECRET: 'w' }
  assert.deepEqual(loginFrom(environment, withRegistry, now).registry, { username: 'v', secret: 'w' })
})

test('the banner is printed when the configuration asks for it', () => {
  const withBanner: Configuration = { ...saved, console: { banner: true } }
  assert.equal(loginFrom({}, saved, now).banner, false)
  assert.equal(loginFrom({}, withBanner, now).banner, true)
  assert.equal(loginFrom({ CANFAR_CONSOLE__BANNER: 'false' }, withBanner, now).banner, false)
})

const x509: Configuration = {
  ...saved,
  authentication: { 'server-127-0-0-1-8080': { mode: 'x509', path: '/x', expiry: farFuture } },
}
const expired = withLogin(saved, { url: 'http://127.0.0.1:8080/skaha', version: 'v1', token: 't', expiresAt: 1 })
const unusable: [string, Record<string, string>, Configuration | undefined, RegExp][] = [
  ['nothing at all', {}, undefined, /you are not logged in/],
  ['a token without its server', { CANFAR_TOKEN: 't' }, saved, /CANFAR_TOKEN is set without CANFAR_URL/],
  ['a certificate', {}, x509, /uses an X.509 certificate/],
  ['an expired token', {}, expired, /has expired/],
  ['no server', {}, { ...saved, active: { authentication: 'server-127-0-0-1-8080' } }, /no server is active/],
  ['a bad timeout', { CANFAR_TIMEOUT: 'soon' }, saved, /CANFAR_TIMEOUT is 'soon'/],
]
for (const [what, environment, configuration, message] of unusable)
  test(`${what} is refused with a reason`, () => {
    assert.throws(() => loginFrom(environment, configuration, now), message)
  })
