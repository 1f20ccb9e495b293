import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runTool } from '../../../lib/tool.ts'
import { Sockets } from '../testing/sockets.ts'
import { createIsolatedNetwork } from './isolated.ts'
import type { IsolatedNetwork, NetworkLease } from './network.ts'
import { planNetwork, planSlot, slotNumber, type Slot } from './plan.ts'
import { ruleset } from './ruleset.ts'
import { parseSubnet } from './subnet.ts'

const isRoot = process.geteuid?.() === 0
/** Names of this test process on the machine: several runs at the same time keep apart. */
const instance = `u${process.pid.toString(36).slice(-4)}`
const log = { info: () => undefined, warn: () => undefined, error: (facts: object) => console.error(facts) }
/** A user of the machine that owns nothing. */
const nobody = 65_534
const apiPort = 7100
const jobPort = 7101

describe('users of the machine', { skip: !isRoot && 'only root can make bridges and rules' }, () => {
  const sockets = new Sockets()
  let scratch: string
  let network: IsolatedNetwork
  let job: NetworkLease
  /** What the journals of attempts say. */
  const held = new Map<string, number>()

  const open = async (): Promise<IsolatedNetwork> => {
    const opened = createIsolatedNetwork({
      instance,
      stateDir: join(scratch, 'state'),
      heldSlots: () => Promise.resolve(held),
      apiPort,
      log,
    })
    await opened.open()
    return opened
  }
  const plan = async () =>
    planNetwork(instance, parseSubnet((await readFile(join(scratch, 'state', 'network.json'), 'utf8')).trim()))
  const slotOf = async ({ namespacePath }: NetworkLease): Promise<Slot> => {
    const number = slotNumber(await plan(), namespacePath.slice('/run/netns/'.length))
    assert.ok(number !== undefined)
    return planSlot(await plan(), number)
  }

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'local-users-'))
    network = await open()
    job = await network.acquire('job-1')
    held.set('job-1', job.slot)
  })
  after(async () => {
    sockets.close()
    await network.release('job-1')
    await network.close()
    await rm(scratch, { recursive: true })
  })

  it('do not connect to the port of a job; the server does', async () => {
    const { address } = await slotOf(job)
    const server = await sockets.listenIn(job.namespacePath, '0.0.0.0', jobPort)
    assert.match(await sockets.connect(address, jobPort), /^hello 10\./)
    assert.equal(await sockets.connect(address, jobPort, { uid: nobody }), 'ECONNREFUSED')
    // The address of a job is no other address of the machine either.
    assert.equal(await sockets.connect(network.gateway, jobPort, { uid: nobody }), 'ECONNREFUSED')
    server.kill()
  })

  /** Whether a job receives a datagram that a user of the machine sends by a script of Python's. */
  async function receives(family: 'AF_INET' | 'AF_INET6', send: string, uid: number): Promise<boolean> {
    // The kernel goes by the user that made the socket.
    const script = `import os, socket
os.setuid(${uid})
s = socket.socket(socket.${family}, socket.SOCK_DGRAM)
try: ${send}
except OSError as error: print(error)`
    const receiver = await sockets.run(
      job.namespacePath,
      `const s = require('dgram').createSocket('${family === 'AF_INET' ? 'udp4' : 'udp6'}')
       s.on('message', (m) => { if (String(m) === 'probe') console.log('probe'); else { console.log('end'); s.close() } })
       s.bind(${jobPort}, () => console.log('ready'))
       process.stdin.on('data', () => s.send('end', ${jobPort}, '${family === 'AF_INET' ? '127.0.0.1' : '::1'}'))`,
    )
    let received = ''
    receiver.stdout?.on('data', (bytes: Buffer) => (received += bytes.toString()))
    await runTool('python3', ['-c', script])
    // What was sent before has arrived: the kernel of one machine delivers in order.
    receiver.stdin?.write('end')
    while (!received.includes('end')) await once(receiver.stdout ?? assert.fail(), 'data')
    receiver.kill()
    return received.includes('probe')
  }

  it('send no datagram to a job, by the bridge or by its port', async () => {
    const { name, address } = await slotOf(job)
    const direct = `s.sendto(b'probe', ('${address}', ${jobPort}))`
    // Any user may bind a socket to an interface (socket(7), SO_BINDTODEVICE since Linux 5.7).
    const bound = `s.setsockopt(socket.SOL_SOCKET, 25, b'${name}\\0'); s.sendto(b'probe', ('224.0.0.1', ${jobPort}))`
    const ipv6 = `s.sendto(b'probe', ('ff02::1%${name}', ${jobPort}))`
    assert.equal(await receives('AF_INET', direct, 0), true)
    for (const [family, send] of [
      ['AF_INET', direct],
      ['AF_INET', bound],
      ['AF_INET6', ipv6],
    ] as const)
      assert.equal(await receives(family, send, nobody), false, send)
  })

  it('still answer jobs: the API and a name server of another user', async () => {
    const script = (port: number) =>
      `require('net').createServer((s) => s.end('served')).listen(${port}, '${network.gateway}', () => console.log('ready'))`
    const asNobody = [
      'setpriv',
      `--reuid=${nobody}`,
      '--clear-groups',
      '--inh-caps=+net_bind_service',
      '--ambient-caps=+net_bind_service',
      '--',
    ]
    const api = await sockets.run('/proc/self/ns/net', script(apiPort), asNobody)
    assert.equal(await sockets.connect(network.gateway, apiPort, { from: job.namespacePath }), 'served')
    // An open network would put back its own rules.
    await network.close()
    await runTool('nft', ['-f', '-'], { input: ruleset(await plan(), { apiPort, nameservers: [network.gateway] }) })
    const names = await sockets.run('/proc/self/ns/net', script(53), asNobody)
    assert.equal(await sockets.connect(network.gateway, 53, { from: job.namespacePath }), 'served')
    api.kill()
    names.kill()
  })

  it('are kept out of jobs of the release before, whose connections go on', async () => {
    const { address } = await slotOf(job)
    const current = ruleset(await plan(), { apiPort, nameservers: [] })
    const before = current.replace(/ {2}chain output [^]*?( {2}chain refuse )/, '$1')
    assert.ok(current.includes('hook output') && !before.includes('hook output'))
    await runTool('nft', ['-f', '-'], { input: before })
    const server = await sockets.listenIn(job.namespacePath, '0.0.0.0', jobPort)
    assert.match(await sockets.connect(address, jobPort, { uid: nobody }), /^hello/, 'the fault of that release')

    // A job that talks to the API while the server is replaced.
    const api = await sockets.run(
      '/proc/self/ns/net',
      `require('net').createServer((s) => s.pipe(s)).listen(${apiPort}, '${network.gateway}', () => console.log('ready'))`,
    )
    const client = await sockets.run(
      job.namespacePath,
      `const s = require('net').connect(${apiPort}, '${network.gateway}', () => s.write('one'))
       s.pipe(process.stdout); process.stdin.pipe(s)`,
    )
    network = await open()
    network.adopt('job-1')
    assert.equal((await network.acquire('job-1')).namespacePath, job.namespacePath)
    assert.equal(await sockets.connect(address, jobPort, { uid: nobody }), 'ECONNREFUSED')
    assert.match(await sockets.connect(address, jobPort), /^hello/)
    client.stdin?.write('two')
    const [echoed] = (await once(client.stdout ?? assert.fail(), 'data')) as [Buffer]
    assert.equal(echoed.toString(), 'two')
    for (const child of [server, api, client]) child.kill()
  })
})
