import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../lib/free-port.ts'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))

test('a server whose cluster does not answer says so at once, answers probes, and stops when it is told', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sp-starting-'))
  // Accepts connections and breaks them.
  const broken = createServer((socket) => socket.destroy())
  await once(broken.listen(0, '127.0.0.1'), 'listening')
  const kubeconfig = join(folder, 'kubeconfig')
  const server = `http://127.0.0.1:${(broken.address() as AddressInfo).port}`
  const context = { name: 'c', context: { cluster: 'c', user: 'u' } }
  const clusters = [{ name: 'c', cluster: { server } }]
  await writeFile(
    kubeconfig,
    JSON.stringify({ 'current-context': 'c', clusters, contexts: [context], users: [{ name: 'u', user: {} }] }),
  )
  const port = await freePort('127.0.0.1')
  const config = join(folder, 'config.yaml')
  const kubernetes = { kubeconfig, namespace: 'jobs' }
  await writeFile(config, JSON.stringify({ dataDir: join(folder, 'data'), executor: 'kubernetes', kubernetes }))
  const args = [main, 'serve', '--config', config, '--listen', `127.0.0.1:${port}`]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    let log = ''
    for await (const text of child.stderr.setEncoding('utf8')) {
      log += text as string
      if (log.includes('Kubernetes API unavailable')) break
    }
    assert.match(log, /Kubernetes API unavailable, retrying with backoff/)
    const get = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`)
      return [answer.status, await answer.text()]
    }
    assert.deepEqual(await get('/healthz'), [200, 'ok\n'])
    assert.deepEqual(await get('/readyz'), [503, 'starting: the executor does not answer yet\n'])
    assert.equal((await get('/api/v1/jobs'))[0], 503)
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
  } finally {
    child.kill('SIGKILL')
    broken.close()
    await rm(folder, { recursive: true })
  }
})
