import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  farFuture,
  readConfiguration,
  serverKey,
  withActiveLogin,
  withActiveServer,
  withLogin,
  withoutLogin,
  type Configuration,
} from './configuration.ts'

const login = { url: 'https://batch.example.org/skaha', version: 'v1', token: 'T', expiresAt: farFuture }

/** What the published client 1.5.2 writes for a user of CANFAR. */
const published = {
  version: 2,
  active: { authentication: 'cadc', server: 'canfar', servers: {} },
  authentication: { cadc: { idp: 'cadc', mode: 'x509', path: '/home/ada/.ssl/cadcproxy.pem', expiry: 0.0 } },
  servers: {
    canfar: {
      name: 'canfar',
      idp: 'cadc',
      uri: 'ivo://cadc.nrc.ca/skaha',
      url: 'https://ws-uv.canfar.net/skaha',
      version: 'v1',
      auths: ['x509'],
      storage: { arc: { uri: 'ivo://cadc.nrc.ca/arc', url: 'https://ws-uv.canfar.net/arc' } },
    },
  },
  console: { banner: true, width: 120 },
} as unknown as Configuration

test('a first login makes a complete configuration', () => {
  assert.deepEqual(withLogin(undefined, login), {
    version: 2,
    active: {
      authentication: 'batch-example-org',
      server: 'batch-example-org',
      servers: { 'batch-example-org': 'batch-example-org' },
    },
    authentication: {
      'batch-example-org': {
        idp: 'batch-example-org',
        mode: 'oidc',
        token: { access: 'T' },
        expiry: { access: farFuture },
      },
    },
    servers: {
      'batch-example-org': { idp: 'batch-example-org', url: login.url, version: 'v1', auths: ['oidc'] },
    },
  })
})

test('a login is added to the file of the published client without loss', () => {
  const both = withLogin(published, login)
  assert.equal(both.active.server, 'batch-example-org')
  assert.deepEqual(both.servers['canfar'], published.servers['canfar'])
  assert.deepEqual(both.authentication['cadc'], published.authentication['cadc'])
  assert.deepEqual(both.console, published.console)
  assert.deepEqual(readConfiguration(both), both)
})

test('a token for a server with a login by certificate keeps the certificate', () => {
  const both = withLogin(published, { ...login, url: 'https://ws-uv.canfar.net/skaha/' })
  assert.equal(both.active.server, 'canfar')
  assert.equal(both.servers['canfar']?.idp, 'canfar-token')
  assert.deepEqual(both.authentication['cadc'], published.authentication['cadc'])
})

test('another login to the same server replaces the token, also for a named server', () => {
  const named = withLogin(undefined, { ...login, name: 'mine' })
  const again = withLogin(named, { ...login, token: 'U' })
  assert.deepEqual(Object.keys(again.servers), ['mine'])
  assert.equal(again.authentication['mine']?.token?.access, 'U')
})

test('names are made from hosts, begin with a letter and are never local', () => {
  assert.equal(serverKey('https://batch.example.org/skaha'), 'batch-example-org')
  assert.equal(serverKey('http://127.0.0.1:8080'), 'server-127-0-0-1-8080')
  assert.equal(serverKey('http://local/skaha'), 'server-local')
  assert.equal(serverKey('http://[::1]:80'), 'server-1')
})

test('servers and logins are switched together', () => {
  const both = withLogin(published, login)
  const toCanfar = withActiveServer(both, 'canfar')
  assert.ok(typeof toCanfar === 'object')
  assert.deepEqual([toCanfar.active.server, toCanfar.active.authentication], ['canfar', 'cadc'])
  const byUri = withActiveServer(both, 'ivo://cadc.nrc.ca/skaha')
  assert.ok(typeof byUri === 'object' && byUri.active.server === 'canfar')
  const back = withActiveLogin(toCanfar, 'batch-example-org')
  assert.ok(typeof back === 'object' && back.active.server === 'batch-example-org')
  assert.equal(withActiveServer(both, 'x'), "there is no server 'x'")
  assert.equal(withActiveLogin(both, 'x'), "there is no login 'x'")
})

test('removing a login removes its servers, and the next login becomes active', () => {
  const both = withLogin(published, login)
  const rest = withoutLogin(both, 'batch-example-org')
  assert.deepEqual(rest?.active, { authentication: 'cadc', server: 'canfar', servers: { cadc: 'canfar' } })
  assert.deepEqual(Object.keys(rest?.servers ?? {}), ['canfar'])
  assert.equal(typeof readConfiguration(rest), 'object')
  assert.equal(withoutLogin(published, 'cadc'), undefined)
})

test('a file of version 1 is upgraded to version 2', () => {
  const old = {
    ...published,
    version: '1',
    servers: { canfar: { ...published.servers['canfar'], cores: 8, ram: 32, gpus: 1, status: 200 } },
    console: { width: 100, file: '/x' },
  }
  const read = readConfiguration(old)
  assert.ok(typeof read === 'object')
  assert.deepEqual([read.version, read.servers, read.console], [2, published.servers, { width: 100 }])
})

const broken: [string, unknown, RegExp][] = [
  ['nothing', null, /has no settings/],
  ['a list', [], /has no settings/],
  ['the layout before version 1', { contexts: {} }, /version is missing/],
  ['a newer version', { ...published, version: 3 }, /version is 3/],
  ['an unknown section', { ...published, sever: {} }, /'sever' is not a section/],
  [
    'an active login that does not exist',
    { ...published, active: { authentication: 'x' } },
    /that login does not exist/,
  ],
  [
    'an active server that does not exist',
    { ...published, active: { authentication: 'cadc', server: 'x' } },
    /that server does not exist/,
  ],
  ['servers as a list', { ...published, servers: [] }, /servers is not a map of records/],
  [
    'a name with a blank',
    { ...published, servers: { ...published.servers, 'a b': {} } },
    /'a b' in servers is not a name/,
  ],
]
for (const [what, document, message] of broken)
  test(`a file with ${what} is refused with a reason`, () => {
    const fault = readConfiguration(document)
    assert.ok(typeof fault === 'string')
    assert.match(fault, message)
  })
