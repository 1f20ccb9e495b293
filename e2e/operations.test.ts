import assert from 'node:assert/strict'
import { once } from 'node:events'
import { rename } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { freePort } from '../packages/server/src/lib/free-port.ts'
import { eventually, Platform } from './support/platform.ts'

let platform: Platform
let scrapes: string

before(async () => {
  const port = await freePort('127.0.0.1')
  scrapes = `http://127.0.0.1:${port}/metrics`
  platform = await Platform.make(`capacity: {cores: 2, memoryGb: 2}\nmetrics: {listen: "127.0.0.1:${port}"}\n`)
  await platform.start()
})
after(() => platform[Symbol.asyncDispose]())

const metrics = async (): Promise<string> => (await fetch(scrapes)).text()
const ready = async (): Promise<string> => (await fetch(`${platform.url}/readyz`)).text()

describe('the monitoring of a platform', () => {
  it('has metrics of jobs, commits and cycles, without a token on the separate address', async () => {
    await platform.run('exit 3')
    await platform.run('true')
    const text = await metrics()
    for (const line of [
      /^science_platform_placements_total [2-9]/m,
      /^science_platform_jobs_ended_total\{cause="exited"\} [1-9]/m,
      /^science_platform_jobs\{state="queued"\} 0$/m,
      /^science_platform_store_commit_seconds_count [1-9]/m,
      /^science_platform_loop_cycle_seconds_count\{outcome="done"\} [1-9]/m,
      /^science_platform_http_requests_total\{route="\/api\/v1\/jobs",method="POST",status="201"\} 2$/m,
    ])
      assert.match(text, line)
    assert.doesNotMatch(text, /ada/)
  })

  it('reports readiness, and an unready store while it cannot be written', async () => {
    assert.equal(await ready(), 'ready\n')
    const database = new DatabaseSync(join(platform.dataDir, 'platform.db'))
    database.exec(`create trigger broken before update on probe begin select raise(abort, 'broken'); end`)
    await eventually('the store to be found broken', async () => (await ready()) === 'the store cannot be written\n')
    database.exec('drop trigger broken')
    database.close()
    await eventually('the platform to be ready again', async () => (await ready()) === 'ready\n')
  })

  it('includes requests that finish during a stop, and refusals, in the audit trail', async () => {
    for (let i = 0; i < 5; i++) await platform.fetch('/api/v1/images', { headers: { authorization: 'Bearer wrong' } })
    const body = JSON.stringify({ name: 'last', image: 'localhost/test/busybox:1', cmd: 'true' })
    const { hostname, port } = new URL(platform.url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
    const head = ['POST /api/v1/jobs HTTP/1.1', 'Host: x', `Authorization: Bearer ${platform.token}`]
    const fields = ['Content-Type: application/json', `Content-Length: ${body.length}`, 'Expect: 100-continue', '', '']
    socket.write([...head, ...fields].join('\r\n'))
    // The server has begun the request when it sends 100 Continue.
    await eventually('the server to ask for the body', async () => answer.startsWith('HTTP/1.1 100'))
    const stopped = platform.stop()
    socket.write(body)
    await once(socket, 'close')
    assert.match(answer, /HTTP\/1\.1 201/)
    assert.equal(await stopped, 0)
    const [id] = /[a-z][a-z0-9]{7}(?="\]\})/.exec(answer) ?? []
    const entries = JSON.parse(await platform.admin('audit', 'list', '--json')) as {
      action: string
      subject?: string
      count: number
      status?: number
    }[]
    assert.ok(entries.some(({ action, subject }) => action === 'submitJobs' && subject === id))
    const refused = entries.filter(({ action, status }) => action === 'listImages' && status === 401)
    assert.equal(
      refused.reduce((sum, { count }) => sum + count, 0),
      5,
    )
    assert.match(await platform.admin('audit', 'verify'), /unchanged and without gaps/)
    await platform.start()
  })

  it('does not start without the key of the database, and reports that', async () => {
    await platform.stop()
    const key = join(platform.dataDir, 'seal.key')
    await rename(key, `${key}.away`)
    await assert.rejects(platform.start(), /seal\.key is missing/)
    await rename(`${key}.away`, key)
    await platform.start()
    assert.equal(await ready(), 'ready\n')
  })
})
