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

test('a first login makes a whole configuration', () => {
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

test('a login is added to what the published client wrote, and loses nothing of it', () => {
  const both = withLogin(published, login)
  assert.equal(both.active.server, 'batch-example-org')
  assert.deepEqual(both.servers['canfar'], published.servers['canfar'])
  assert.deepEqual(both.authentication['cadc'], published.authentication['cadc'])
  assert.deepEqual(both.console, published.console)
  assert.deepEqual(readConfiguration(both), both)
})

test('a token for a server that has a login by certificate leaves the certificate alone', () => {
  const both = withLogin(published, { ...login, url: 'https://ws-uv.canfar.net/skaha/' })
  assert.equal(both.active.server, 'canfar')
  assert.equal(both.servers['canfar']?.idp, 'canfar-token')
  assert.deepEqual(both.authentication['cadc'], published.authentication['cadc'])
})

test('another login to the same server replaces the token, also when the server was given a name', () => {
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

test('a removed login takes its servers along, and the next one becomes active', () => {
  const both = withLogin(published, login)
  const rest = withoutLogin(both, 'batch-example-org')
  assert.deepEqual(rest?.active, { authentication: 'cadc', server: 'canfar', servers: { cadc: 'canfar' } })
  assert.deepEqual(Object.keys(rest?.servers ?? {}), ['canfar'])
  assert.equal(typeof readConfiguration(rest), 'object')
  assert.equal(withoutLogin(published, 'cadc'), undefined)
})

test('a file of version 1 is brought to version 2', () => {
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
  ['nothing', null, /holds no settings/],
  ['a list', [], /holds no settings/],
  ['the layout before version 1', { contexts: {} }, /version is missing/],
  ['a version to come', { ...published, version: 3 }, /version is 3/],
  ['a key that is none', { ...published, sever: {} }, /'sever' is no setting/],
  ['an active login that is not there', { ...published, active: { authentication: 'x' } }, /there is no such login/],
  [
    'an active server that is not there',
    { ...published, active: { authentication: 'cadc', server: 'x' } },
    /there is no such server/,
  ],
  ['servers as a list', { ...published, servers: [] }, /servers is no list of named records/],
  [
    'a name with a blank',
    { ...published, servers: { ...published.servers, 'a b': {} } },
    /'a b' in servers is no name/,
  ],
]
for (const [what, document, message] of broken)
  test(`a file with ${what} is refused in words`, () => {
    const fault = readConfiguration(document)
    assert.ok(typeof fault === 'string')
    assert.match(fault, message)
  })
