import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { identitySource } from './kubeconfig.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

describe('a kubeconfig', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kubeconfig-'))
  })
  after(() => rm(folder, { recursive: true }))

  const write = async (name: string, content: object | string): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }
  /** With one context of one cluster and user. */
  const file = (user: object, cluster: object = {}) => ({
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: 'https://api.example.org:6443/', ...cluster } }],
    users: [{ name: 'u', user }],
  })
  const identity = async (content: object) => (await identitySource(await write('config', content)))(false)

  test('certificates, in it or in files beside it', async () => {
    await write('ca.crt', 'the CA')
    await write('own.key', 'the key')
    const user = { 'client-certificate-data': base64('the certificate'), 'client-key': 'own.key' }
    assert.deepEqual(await identity(file(user, { 'certificate-authority': 'ca.crt', 'tls-server-name': 'api' })), {
      server: 'https://api.example.org:6443',
      tls: { ca: 'the CA', cert: 'the certificate', key: 'the key', servername: 'api' },
      headers: {},
    })
  })

  test('tokens, also from a file that is rotated; passwords; impersonation; proxies', async () => {
    assert.deepEqual((await identity(file({ token: 't', as: 'ada', 'as-groups': ['sky', 'sea'] }))).headers, {
      authorization: 'Bearer t',
      'impersonate-user': 'ada',
      'impersonate-group': ['sky', 'sea'],
    })
    const tokenFile = await write('token', 'first\n')
    const source = await identitySource(await write('config', file({ tokenFile })))
    assert.equal((await source(false)).headers['authorization'], 'Bearer first')
    await write('token', 'second\n')
    assert.equal((await source(false)).headers['authorization'], 'Bearer second')
    const { headers, proxyUrl, tls } = await identity(
      file({ username: 'ada', password: 'x' }, { 'proxy-url': 'http://p:1', 'insecure-skip-tls-verify': true }),
    )
    assert.deepEqual([headers['authorization'], proxyUrl, tls], [`Basic ${base64('ada:x')}`, 'http://p:1', { rejectUnauthorized: false }]) // prettier-ignore
  })

  test('a token file wins over a token, and may be created later', async () => {
    const tokenFile = join(folder, 'late-token')
    const source = await identitySource(await write('config', file({ token: 'old', tokenFile })))
    assert.equal((await source(false)).headers['authorization'], 'Bearer old')
    await write('late-token', 'new\n')
    assert.equal((await source(false)).headers['authorization'], 'Bearer new')
    assert.equal((await identity(file({ token: '', tokenFile }))).headers['authorization'], 'Bearer new')
  })

  test('impersonation with uid and extra fields', async () => {
    const extra = { 'Example.org/Realm (1)': ['sky', 'sea'], scopes: ['all'] }
    const { headers } = await identity(file({ as: 'ada', 'as-uid': '7', 'as-user-extra': extra }))
    assert.deepEqual(headers, {
      'impersonate-user': 'ada',
      'impersonate-uid': '7',
      'impersonate-extra-example.org%2frealm%20%281%29': ['sky', 'sea'],
      'impersonate-extra-scopes': ['all'],
    })
  })

  test('null values of kubectl, which count as absent', async () => {
    const anonymous = { ...file({}), users: [{ name: 'u', user: null }] }
    assert.deepEqual((await identity(anonymous)).headers, {})
    const exec = null
    assert.deepEqual((await identity(file({ token: 't', exec, 'as-groups': null }))).headers, {
      authorization: 'Bearer t',
    })
    const empty = { apiVersion: 'v1', kind: 'Config', clusters: null, contexts: null, users: null }
    await assert.rejects(identity({ ...empty, 'current-context': '' }), /names no cluster: set its current-context/)
    const first = await write('empty', empty)
    const second = await write('config', file({ token: 'second' }))
    const source = await identitySource(undefined, { KUBECONFIG: `${first}:${second}` })
    assert.deepEqual((await source(false)).headers, { authorization: 'Bearer second' })
  })

  test('is read again; while it is invalid, the last identity is used', async () => {
    const source = await identitySource(await write('replaced', file({ token: 'first' })))
    const token = async (wasRefused = false) => (await source(wasRefused)).headers['authorization']
    await write('replaced', file({ token: 'second' }, { server: 'https://other.example.org' }))
    assert.equal(await token(), 'Bearer second')
    assert.equal((await source(false)).server, 'https://other.example.org')
    await write('replaced', 'half: [writ')
    assert.equal(await token(), 'Bearer second')
    await assert.rejects(token(true), /replaced could not be read/)
    await write('replaced', file({ token: 'third' }))
    assert.equal(await token(true), 'Bearer third')
  })

  test('a plugin with provideClusterInfo gets the cluster, with the content of its CA file', async () => {
    await write('signer.crt', 'the CA')
    const plugin =
      '#!/bin/sh\necho "{\\"status\\": {\\"token\\": \\"$(echo "$KUBERNETES_EXEC_INFO" | base64 -w0)\\"}}"\n'
    await chmod(await write('telling', plugin), 0o755)
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: './telling', provideClusterInfo: true }
    const extensions = [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'here' } }]
    const { headers } = await identity(file({ exec }, { 'certificate-authority': 'signer.crt', extensions }))
    const info = Buffer.from(String(headers['authorization']).replace('Bearer ', ''), 'base64').toString()
    assert.deepEqual((JSON.parse(info) as { spec: unknown }).spec, {
      interactive: false,
      cluster: {
        server: 'https://api.example.org:6443/',
        'certificate-authority-data': base64('the CA'),
        config: { audience: 'here' },
      },
    })
  })

  test('a plugin runs once, again shortly before its credential expires, and after a refusal', async () => {
    const plugin = await write(
      'plugin',
      '#!/bin/sh\nx=$(cat "$COUNT" 2>/dev/null)x; echo "$x" > "$COUNT"\n' +
        'test -z "${KUBERNETES_EXEC_INFO##*ExecCredential*}" || exit 1\n' +
        'echo "{\\"status\\": {\\"token\\": \\"$1-$x\\"$MORE}}"\n',
    )
    await chmod(plugin, 0o755)
    const source = async (count: string, more = '') => {
      const env = [
        { name: 'COUNT', value: join(folder, count) },
        { name: 'MORE', value: more },
      ]
      const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: './plugin', args: ['t'], env }
      const find = await identitySource(await write('config', file({ exec })))
      return async (wasRefused = false) => (await find(wasRefused)).headers['authorization']
    }
    const lasting = await source('lasting')
    assert.deepEqual(
      [await lasting(), await lasting(), await lasting(true)],
      ['Bearer t-x', 'Bearer t-x', 'Bearer t-xx'],
    )
    const short = await source('short', `, "expirationTimestamp": "${new Date(Date.now() + 10_000).toISOString()}"`)
    assert.deepEqual([await short(), await short()], ['Bearer t-x', 'Bearer t-xx'])
  })

  test('a plugin that is missing or fails is named with its hint, without its output', async () => {
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'no-such-plugin',
      installHint: 'Install it.',
    }
    await assert.rejects(identity(file({ exec })), /exec plugin no-such-plugin does not exist. Install it\./)
    const failing = { ...exec, command: 'sh', args: ['-c', 'echo secret; echo nobody is logged in >&2; exit 1'] }
    await assert.rejects(identity(file({ exec: failing })), (error: Error) => {
      assert.match(error.message, /sh failed: nobody is logged in. Install it/)
      assert.doesNotMatch(JSON.stringify([error.message, error.cause ?? '', error.stack]), /secret/)
      return true
    })
    const silent = { ...exec, command: 'echo', args: ['{}'] }
    await assert.rejects(identity(file({ exec: silent })), /printed neither a token nor a certificate/)
  })

  test('several files of KUBECONFIG: the first that has a value wins', async () => {
    const first = await write('first', { 'current-context': 'there', users: [{ name: 'u', user: { token: 'first' } }] })
    const second = await write('second', {
      ...file({ token: 'second' }),
      contexts: [{ name: 'there', context: { cluster: 'c', user: 'u' } }],
    })
    const source = await identitySource(undefined, { KUBECONFIG: `${first}:${second}:/nowhere` })
    assert.deepEqual((await source(false)).headers, { authorization: 'Bearer first' })
  })

  test('each missing or invalid part is named', async () => {
    const refused = async (content: object | string, message: RegExp) =>
      assert.rejects(
        identitySource(await write('bad', content)),
        (error: Error) => message.test(error.message) || assert.fail(error.message),
      )
    await assert.rejects(identitySource(join(folder, 'nothing')), /nothing does not exist/)
    await assert.rejects(identitySource(undefined, { HOME: folder }), /\.kube\/config does not exist/)
    await refused('', /is invalid/)
    await refused('{', /could not be read/)
    await refused({ clusters: [] }, /names no cluster: set its current-context/)
    await refused({ ...file({}), users: [] }, /refers to the user u, which it does not define/)
    await refused(file({}, { server: 'api.example.org' }), /server/)
    await refused(file({}, { 'proxy-url': 'socks5://ada:secret@p:1' }), /^The cluster c of the kubeconfig .*\/bad has a proxy-url that is one for socks5:\/\/: give an HTTP proxy, as http:\/\/HOST:PORT/) // prettier-ignore
    await refused(file({}, { 'proxy-url': 'proxy' }), /a proxy-url that is no address/)
    await refused(file({ 'as-user-extra': { scopes: ['all'] } }), /^The user u of .* but no as/)
    await refused('users: [{name: u, user: {token: "secret}}]', /^[^\n]*could not be read: (?!.*secret).*$/)
    await refused(file({ 'auth-provider': { name: 'gcp' } }), /auth-provider, which kubectl gave up in 1\.26/)
  })

  test('a missing file is named with the entry that refers to it', async () => {
    const missing = (user: object, cluster: object, message: RegExp) =>
      assert.rejects(
        identity(file(user, cluster)),
        (error: Error) => message.test(error.message) || assert.fail(error.message),
      )
    await missing({ tokenFile: 'no-token' }, {}, /^The user u of the kubeconfig .*\/config names the file .*\/no-token as its tokenFile, which does not exist\./) // prettier-ignore
    await missing({}, { 'certificate-authority': 'no-ca' }, /^The cluster c .*\/no-ca as its certificate-authority, which does not exist/) // prettier-ignore
    await missing({ 'client-certificate': '.' }, {}, /its client-certificate, which cannot be read: EISDIR/)
    await write('empty-token', '\n')
    await missing({ tokenFile: 'empty-token' }, {}, /empty-token as its tokenFile, which is empty/)
  })
})
