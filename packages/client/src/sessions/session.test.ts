import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { parseSessionEvents } from './session-events.ts'
import { SessionError, SessionRequestError } from './session-error.ts'
import { Session, type SessionOptions } from './session.ts'
import { recordingServer, type RecordingServer, type Recorded, type Reply } from '../testing/recording-server.ts'
import { UnreachableError } from '../connection/unreachable-error.ts'

const servers: RecordingServer[] = []
after(async () => {
  for (const server of servers) await server.close()
})

async function start(
  answer: (request: Recorded) => Reply | Promise<Reply>,
  options: Partial<SessionOptions> = {},
): Promise<{ session: Session; requests: Recorded[] }> {
  const server = await recordingServer(answer)
  servers.push(server)
  const session = new Session({ url: `${server.url}/skaha/v1`, token: 'a-token', ...options })
  return { session, requests: server.requests }
}

test('create sends the request line of the published client (wire contract 1.2)', async () => {
  const { session, requests } = await start(() => ({ body: 'k3x9a0qz\n' }))
  const ids = await session.create({
    name: 'n',
    image: 'images.canfar.net/skaha/astroml:latest',
    cores: 2,
    ram: 4,
    gpu: 1,
    cmd: 'python',
    args: '/a.py -n 1',
    env: { A: 'b=c d' },
  })
  assert.deepEqual(ids, ['k3x9a0qz'])
  assert.equal(
    `${requests[0]?.method} ${requests[0]?.url}`,
    'POST /skaha/v1/session?name=n&image=images.canfar.net%2Fskaha%2Fastroml%3Alatest&cores=2&ram=4&type=headless&gpus=1&cmd=python&args=%2Fa.py+-n+1&env=A%3Db%3Dc+d&env=REPLICA_ID%3D1&env=REPLICA_COUNT%3D1',
  )
  assert.equal(requests[0]?.body, '')
  assert.equal(requests[0]?.headers['content-length'], '0')
  assert.equal(requests[0]?.headers['content-type'], 'application/x-www-form-urlencoded')
  assert.equal(requests[0]?.headers['authorization'], 'Bearer a-token')
  assert.equal(requests[0]?.headers['x-skaha-authentication-type'], 'RUNTIME-TOKEN')
  assert.equal(requests[0]?.headers['x-skaha-registry-auth'], undefined)
})

test('a list of arguments is quoted so that every word survives', async () => {
  const { session, requests } = await start(() => ({ body: 'k3x9a0qz' }))
  await session.create({ name: 'n', image: 'a/b', cmd: 'sh', args: ['-c', "echo 'hi'; ls", 'plain'] })
  const query = new URL(requests[0]?.url ?? '', 'http://x').searchParams
  assert.equal(query.get('args'), `-c 'echo '\\''hi'\\''; ls' plain`)
})

test('replicas are named name-1 … name-N and have their number', async () => {
  const { session, requests } = await start(({ url }) => ({
    body: `id-of-${new URL(url, 'http://x').searchParams.get('name')}`,
  }))
  const ids = await session.create({ name: 'study', image: 'a/b', replicas: 3 })
  assert.deepEqual(ids, ['id-of-study-1', 'id-of-study-2', 'id-of-study-3'])
  const environments = requests.map(({ url }) => new URL(url, 'http://x').searchParams.getAll('env')).toSorted()
  assert.deepEqual(
    environments,
    [1, 2, 3].map((id) => [`REPLICA_ID=${id}`, 'REPLICA_COUNT=3']),
  )
})

test('256 replicas are sent at most 32 at a time', async () => {
  let now = 0
  let most = 0
  const { session, requests } = await start(async () => {
    now += 1
    most = Math.max(most, now)
    await new Promise((resolve) => setImmediate(resolve))
    now -= 1
    return { body: 'k3x9a0qz' }
  })
  await session.create({ name: 'n', image: 'a/b', replicas: 256 })
  assert.equal(requests.length, 256)
  assert.ok(most <= 32, `${most} at once`)
})

test('a failed replica is reported with the ids of the others and the message of the server', async () => {
  const { session } = await start(({ url }) =>
    url.includes('name=n-2&') ? { status: 400, body: 'Invalid value\n' } : { body: 'made' },
  )
  await assert.rejects(session.create({ name: 'n', image: 'a/b', replicas: 3 }), (error) => {
    assert.ok(error instanceof SessionError)
    assert.deepEqual(error.values, ['made', 'made'])
    assert.match(error.message, /^create: 1 of 3 failed, n-2: POST .*: Invalid value \(HTTP 400\)$/)
    const failed = error.outcomes[1]
    assert.ok(failed?.ok === false && failed.error instanceof SessionRequestError)
    assert.equal(failed.error.status, 400)
    return true
  })
})

test('after the signal no further request is sent, and those under way are awaited', async () => {
  const stop = new AbortController()
  const { session, requests } = await start(
    () => {
      stop.abort()
      return { body: 'made' }
    },
    { concurrency: 1 },
  )
  await assert.rejects(session.create({ name: 'n', image: 'a/b', replicas: 5 }, { signal: stop.signal }), (error) => {
    assert.ok(error instanceof SessionError)
    assert.deepEqual(error.values, ['made'])
    return true
  })
  assert.equal(requests.length, 1)
})

test('parameters too long for a request line travel as a form', async () => {
  const { session, requests } = await start(() => ({ body: 'k3x9a0qz' }))
  const long = 'x'.repeat(20_000)
  await session.create({ name: 'n', image: 'a/b', cmd: 'echo', args: [long] })
  assert.equal(requests[0]?.url, '/skaha/v1/session')
  assert.equal(new URLSearchParams(requests[0]?.body).get('args'), long)
})

test('invalid requests are refused before anything is sent', async () => {
  const { session, requests } = await start(() => ({ body: '' }))
  await assert.rejects(session.create({ name: 'n', image: 'a/b', replicas: 0 }), RangeError)
  await assert.rejects(session.create({ name: 'n', image: 'a/b', kind: 'desktop', replicas: 2 }), RangeError)
  await assert.rejects(session.create({ name: 'n', image: 'a/b', kind: 'notebook', cmd: 'ls' }), TypeError)
  assert.equal(requests.length, 0)
  assert.throws(() => new Session({ url: 'http://127.0.0.1/skaha', token: 't' }), /must end like \/skaha\/v1/)
})

test('the other methods use the routes of wire contract 1.1', async () => {
  const { session, requests } = await start(({ url }) => ({ body: url.includes('view=') ? '{"text":1}' : '[]' }))
  await session.fetch()
  await session.fetch({ kind: 'headless', status: 'Running' })
  await session.stats()
  await session.info('a b')
  await session.logs('id')
  await session.events('id')
  await session.renew('id')
  await session.destroy(['x', 'y'])
  await session.images({ kind: 'headless' })
  await session.context()
  assert.deepEqual(
    requests.map(({ method, url }) => `${method} ${url.replace('/skaha/v1', '')}`),
    [
      'GET /session',
      'GET /session?type=headless&status=Running',
      'GET /session?view=stats',
      'GET /session/a%20b',
      'GET /session/id?view=logs',
      'GET /session/id?view=events',
      'POST /session/id?action=renew',
      'DELETE /session/x',
      'DELETE /session/y',
      'GET /image?type=headless',
      'GET /context',
    ],
  )
})

test('results have the shape of the published client', async () => {
  const { session } = await start(({ url }) => ({ body: url.includes('view=logs') ? 'out\n' : '{"id":"x"}' }))
  assert.deepEqual(await session.logs(['x', 'y']), { x: 'out\n', y: 'out\n' })
  assert.deepEqual(await session.info('x'), [{ id: 'x' }])
  assert.deepEqual(await session.destroy('x'), { x: true })
})

test('errors are raised, or left out on request', async () => {
  const answer = ({ url }: Recorded): Reply =>
    url.includes('gone') ? { status: 404, body: 'session gone not found' } : { body: '{}' }
  const { session } = await start(answer)
  await assert.rejects(session.info(['here', 'gone']), SessionError)
  await assert.rejects(session.destroy(['here', 'gone']), /gone: DELETE .* session gone not found \(HTTP 404\)/)
  const lenient = (await start(answer, { errors: 'ignore' })).session
  assert.deepEqual(await lenient.info(['here', 'gone']), [{}])
  assert.deepEqual(await lenient.destroy(['here', 'gone']), { here: true, gone: false })
})

test('destroyWith takes a literal prefix or a regular expression', async () => {
  const sessions = ['study-1', 'study-2', 'other-study'].map((name) => ({ id: `id-${name}`, name }))
  const { session, requests } = await start(({ method }) => (method === 'GET' ? { body: sessions } : { body: '' }))
  assert.deepEqual(Object.keys(await session.destroyWith({ prefix: 'study' })), ['id-study-1', 'id-study-2'])
  assert.equal(requests[0]?.url, '/skaha/v1/session?type=headless&status=Completed')
  assert.deepEqual(Object.keys(await session.destroyWith({ prefix: 'study$' })), ['id-other-study'])
  await assert.rejects(session.destroyWith({ prefix: '(' }), /not a valid regular expression/)
})

test('a redirect is an error that names its target', async () => {
  const { session } = await start(() => ({ status: 302, headers: { location: 'https://elsewhere/' } }))
  await assert.rejects(session.fetch(), /redirected to https:\/\/elsewhere\/; redirects are not followed \(HTTP 302\)/)
})

test('registry credentials travel in UTF-8 and keep their colons', async () => {
  const { session, requests } = await start(() => ({ body: [] }), { registry: { username: 'jörg', secret: 'a:b' } })
  await session.fetch()
  assert.equal(Buffer.from(String(requests[0]?.headers['x-skaha-registry-auth']), 'base64').toString(), 'jörg:a:b')
})

test('an answer that is not JSON, a silent server and a closed port are different errors', async () => {
  const { session } = await start(() => ({ body: '<html>' }))
  await assert.rejects(session.fetch(), /the answer is not JSON; is this a skaha server\?/)
  const silent = await start(() => new Promise(() => undefined), { timeoutSeconds: 0.05 })
  await assert.rejects(silent.session.fetch(), (error) => {
    assert.ok(error instanceof UnreachableError)
    assert.match(error.message, /no byte for 0.05 s/)
    return true
  })
  const closed = new Session({ url: 'http://127.0.0.1:1/skaha/v1', token: 't' })
  await assert.rejects(closed.fetch(), UnreachableError)
})

test('user returns the user name that the server answers', async () => {
  const { session } = await start(() => ({ headers: { 'x-vo-authenticated': 'ada' }, body: [] }))
  assert.equal(await session.user(), 'ada')
})

test('the events table is parsed row by row', () => {
  const text = [
    'TYPE     REASON      MESSAGE                 FIRST-TIME             LAST-TIME',
    'Normal   Scheduled   Assigned to this node   2026-01-01T00:00:05Z   <none>',
    '<none>',
    '',
  ].join('\n')
  assert.deepEqual(parseSessionEvents(text), [
    {
      type: 'Normal',
      reason: 'Scheduled',
      message: 'Assigned to this node',
      firstTime: '2026-01-01T00:00:05Z',
      lastTime: '<none>',
    },
  ])
  assert.deepEqual(parseSessionEvents('<none>\n'), [])
})
