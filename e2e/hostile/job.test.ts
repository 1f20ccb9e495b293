import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { Platform } from '../support/platform.ts'

// Isolated networks need root.
const options = { skip: process.getuid?.() === 0 ? false : 'needs root' }

let platform: Platform
let bob: string
/** A running job of bob. */
let theirs: string

before(async () => {
  if (options.skip !== false) return
  platform = await Platform.make('capacity: {cores: 4, memoryGb: 4}\n')
  await platform.start()
  await platform.admin('user', 'add', 'bob', '--group', 'optics')
  bob = await platform.admin('token', 'create', 'bob')
  const { ids } = await platform
    .jobs(bob)
    .submit({ name: 'theirs', image: 'localhost/test/busybox:1', cmd: 'sleep 3600', env: { SECRET: 'of-bob' } })
  theirs = ids[0] ?? ''
})
after(async () => {
  if (options.skip !== false) return
  await platform.jobs(bob).cancel(theirs)
  await platform[Symbol.asyncDispose]()
})

/** The status and the answer of a request by a job of ada with its own token. */
async function asked(path: string, method = 'GET'): Promise<{ status: number; text: string }> {
  const head = `${method} ${path} HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Bearer %s\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n`
  const line =
    'to=$(echo "$CANFAR_URL" | sed "s#http://\\([^:]*\\):\\([0-9]*\\)/.*#\\1 \\2#"); ' +
    `{ printf '${head}' "$CANFAR_TOKEN"; sleep 1; } | nc -w 20 $to`
  const { log } = await platform.run(line, { jobToken: true })
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(log)?.[1]), text: log }
}

test('a job can do with its token what its user may, and no more', options, async () => {
  const account = await asked('/api/v1/account')
  assert.equal(account.status, 200, account.text)
  assert.match(account.text, /"name":"ada"/)
  for (const path of ['', '/logs', '/events', '/wait?timeout=0'])
    assert.equal((await asked(`/api/v1/jobs/${theirs}${path}`)).status, 404, path)
  for (const query of ['', '?view=logs', '?view=events'])
    assert.equal((await asked(`/skaha/v1/session/${theirs}${query}`)).status, 404, query)
  assert.equal((await asked(`/api/v1/jobs/${theirs}/cancel`, 'POST')).status, 404)
  assert.doesNotMatch((await asked('/skaha/v1/session?view=all')).text, /of-bob|theirs/)
  assert.equal((await asked('/api/v1/users')).status, 403)
  assert.ok(['queued', 'starting', 'running'].includes((await platform.jobs(bob).get(theirs)).state))
})

test('a job without a token is unauthenticated, and finds no token', options, async () => {
  const { log } = await platform.run(
    'env; cat /proc/*/environ 2>/dev/null; ls -R /arc /scratch 2>/dev/null; grep -ra "sp_[0-9a-z]\\{52\\}" /etc /arc /scratch /tmp /run 2>/dev/null',
  )
  assert.doesNotMatch(log, /sp_[0-9a-z]{52}|of-bob/)
})

test('a job reaches neither the machine nor cloud metadata, and may not request it', options, async () => {
  const service = createServer((socket) => {
    socket.end('hello from the machine\n')
  })
  await new Promise<void>((resolve) => service.listen(0, '0.0.0.0', resolve))
  try {
    const { port } = service.address() as { port: number }
    const { log } = await platform.run(
      `gateway=$(ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'); echo "gateway $gateway"; ` +
        `for at in 127.0.0.1 $gateway; do nc -w 2 $at ${port} </dev/null; done; ` +
        'nc -w 2 169.254.169.254 80 </dev/null && echo connected; echo over',
    )
    assert.match(log, /^gateway \d+\./)
    assert.match(log, /over\n$/)
    assert.doesNotMatch(log, /hello from the machine|connected/)
  } finally {
    service.close()
  }
  await assert.rejects(platform.submit('true', { network: 'host' }), /network is host/)
})
