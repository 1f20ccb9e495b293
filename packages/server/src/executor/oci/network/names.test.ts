import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { runTool } from '../../../lib/tool.ts'
import { isInOwnNetwork, runInOwnNetwork } from '../testing/own-network.ts'
import { machineNamespace, Sockets } from '../testing/sockets.ts'
import { createIsolatedNetwork } from './isolated.ts'

if (!isInOwnNetwork)
  it(
    'names, where the machine has a name server of its own',
    { skip: process.geteuid?.() !== 0 && 'only root' },
    () => {
      runInOwnNetwork(import.meta.url)
    },
  )
else
  it('are looked up by a name server on 127.0.0.1, at the gateway; without any, the lease says so', async (t) => {
    const scratch = await mkdtemp(join(tmpdir(), 'names-'))
    // In this mount namespace alone the machine has this resolv.conf.
    const resolvConf = join(scratch, 'resolv.conf')
    await writeFile(resolvConf, 'nameserver 127.0.0.1\nsearch example.org\n')
    await runTool('mount', ['--bind', resolvConf, '/etc/resolv.conf'])
    await runTool('sh', ['-c', '[ ! -d /run/systemd/resolve ] || mount -t tmpfs tmpfs /run/systemd/resolve'])
    await runTool('ip', ['link', 'set', 'lo', 'up'])
    const sockets = new Sockets()
    const instance = 'names'
    const log = { info: () => undefined, warn: () => undefined, error: (facts: object) => console.error(facts) }
    const heldSlots = () => Promise.resolve(new Map<string, number>())
    const network = createIsolatedNetwork({ instance, stateDir: join(scratch, 'state'), heldSlots, apiPort: 7300, log })
    await network.open()
    t.after(async () => {
      sockets.close()
      for (const id of ['one-1', 'two-1']) await network.release(id)
      await network.close()
      await rm(scratch, { recursive: true })
    })
    await sockets.run(
      machineNamespace,
      `const s = require('dgram').createSocket('udp4')
       s.on('message', (m, from) => s.send(Buffer.concat([m, Buffer.from(from.address)]), from.port, from.address))
       s.bind(53, '127.0.0.1', () => console.log('ready'))`,
    )
    const lease = await network.acquire('one-1')
    assert.equal(lease.resolvConf, `nameserver ${network.gateway}\nsearch example.org\n`)
    assert.equal(lease.resolvesNames, true)
    const ask = `const s = require('dgram').createSocket('udp4')
      s.on('message', (m) => { console.log(String(m)); s.close() }).send('query ', 53, '${network.gateway}')`
    const answer = await runTool('nsenter', [`--net=${lease.namespacePath}`, process.execPath, '--eval', ask])
    assert.equal(answer.toString(), 'query 127.0.0.1\n', 'its name server sees the machine')

    await writeFile(resolvConf, '# none\n')
    // The file is read again after a second at the latest; each lease asks.
    let next = await network.acquire('two-1')
    while (next.resolvesNames) {
      await network.release('two-1')
      next = await network.acquire('two-1')
    }
    assert.doesNotMatch(next.resolvConf, /^nameserver/m)
  })
