import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runTool } from '../../../lib/tool.ts'
import { isInOwnNetwork, runInOwnNetwork } from '../testing/own-network.ts'
import { machineNamespace, Sockets } from '../testing/sockets.ts'
import { createIsolatedNetwork } from './isolated.ts'
import type { IsolatedNetwork, NetworkLease } from './network.ts'

const isRoot = process.geteuid?.() === 0
const outside = { here: '198.51.100.1', there: '198.51.100.2', metadata: '169.254.169.254' }
const apiPort = 7200
const servicePort = 7201
const echoPort = 7202
const forwarding = '/proc/sys/net/ipv4/ip_forward'

if (!isInOwnNetwork)
  it(
    'the network of jobs, changed by other programs',
    { skip: !isRoot && 'only root can make bridges and rules' },
    () => {
      runInOwnNetwork(import.meta.url)
    },
  )
else
  describe('the network of jobs', () => {
    const sockets = new Sockets()
    let scratch: string
    let network: IsolatedNetwork
    let job!: NetworkLease
    /** Resolve at the next repair. */
    const atRepair: (() => void)[] = []
    const warned: string[] = []
    const log = {
      info: (_facts: object, message?: string) => {
        if (message === 'the network of jobs is repaired') for (const resolve of atRepair.splice(0)) resolve()
      },
      warn: (facts: object, message?: string) => {
        warned.push(`${message} ${JSON.stringify(facts)}`)
      },
      error: (facts: object) => {
        console.error(facts)
      },
    }
    const ip = (...args: string[]) => runTool('ip', args)
    const nft = (...args: string[]) => runTool('nft', args)
    /** Resolves when the network has been repaired after the change. */
    async function repaired(change: () => Promise<unknown>): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<undefined>()
      atRepair.push(() => {
        resolve(undefined)
      })
      warned.length = 0
      await change()
      await promise
    }
    async function open(): Promise<IsolatedNetwork> {
      const opened = createIsolatedNetwork({
        instance: 'own',
        stateDir: join(scratch, 'state'),
        heldSlots: () => Promise.resolve(new Map(job === undefined ? [] : [['job-1', job.slot]])),
        apiPort,
        lookEveryMs: 200,
        log,
      })
      await opened.open()
      return opened
    }

    /** What holds for a job as long as the network is whole. One process asks everything. */
    async function isIsolated({ namespacePath }: NetworkLease): Promise<void> {
      const asked = [
        [network.gateway, apiPort],
        [outside.there, 80],
        [network.gateway, servicePort],
        [outside.here, servicePort],
        [outside.metadata, 80],
      ]
      const script = `Promise.all(${JSON.stringify(asked)}.map(([host, port]) => new Promise((resolve) => {
        const s = require('net').connect({ host, port }); s.setTimeout(5000, () => resolve('TIMEOUT'))
        s.on('error', (e) => resolve(e.code)).on('data', (d) => resolve(String(d).split(' ')[0]))
      }))).then((got) => { console.log(JSON.stringify(got)); process.exit() })`
      const answers = await runTool('nsenter', [`--net=${namespacePath}`, process.execPath, '--eval', script])
      assert.deepEqual(JSON.parse(answers.toString()), [
        'hello',
        'hello',
        'ECONNREFUSED',
        'ECONNREFUSED',
        'ECONNREFUSED',
      ])
    }

    before(async () => {
      await ip('link', 'set', 'lo', 'up')
      scratch = await mkdtemp(join(tmpdir(), 'changed-'))
      await ip('netns', 'add', 'world')
      await ip('link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'world')
      await ip('addr', 'add', `${outside.here}/24`, 'dev', 'up0')
      await ip('link', 'set', 'up0', 'up')
      await ip('route', 'add', `${outside.metadata}/32`, 'via', outside.there)
      for (const address of [`${outside.there}/24`, `${outside.metadata}/32`])
        await ip('-n', 'world', 'addr', 'add', address, 'dev', 'eth0')
      await ip('-n', 'world', 'link', 'set', 'eth0', 'up')
      network = await open()
      job = await network.acquire('job-1')
      await sockets.listen(network.gateway, apiPort)
      await sockets.listen('0.0.0.0', servicePort)
      await sockets.listenIn('/run/netns/world', '0.0.0.0', 80)
      await sockets.run(
        machineNamespace,
        `require('net').createServer((s) => s.on('error', () => s.destroy()).pipe(s)).listen(${echoPort}, () => console.log('ready'))`,
      )
      await isIsolated(job)
    })
    after(async () => {
      sockets.close()
      await network.release('job-1')
      await network.close()
      await rm(scratch, { recursive: true })
    })

    it('isolates running and new jobs again after `nft flush ruleset`, and logs it', async () => {
      await repaired(() => nft('flush', 'ruleset'))
      assert.match(warned[0] ?? '', /changed by another program.*the table \w+ sp_own is missing/)
      await isIsolated(job)
      await isIsolated(await network.acquire('job-2'))
      await network.release('job-2')
    })

    it('refuses the packets of a connection that began without rules', async () => {
      const rules = (await nft('list', 'ruleset')).toString()
      await network.close() // its attempt holds a lease: everything stays, and nothing is repaired
      await nft('flush', 'ruleset')
      // Another program's rule keeps the kernel tracking connections, as Docker's do.
      const tracking =
        'table inet other { chain c { type filter hook prerouting priority 0; ct state invalid counter; }; }'
      await runTool('nft', ['-f', '-'], { input: tracking })
      const client = await sockets.run(
        job.namespacePath,
        `const s = require('net').connect(${echoPort}, '${outside.here}')
         s.on('data', (d) => console.log(String(d))).on('error', (e) => { console.log(e.code); process.exit() }).write('before')
         process.stdin.on('data', (d) => s.write(d))`,
      )
      await runTool('nft', ['-f', '-'], { input: rules })
      const heard = once(client.stdout ?? assert.fail(), 'data')
      client.stdin?.write('after')
      assert.equal(String((await heard)[0]).trim(), 'ECONNRESET')
      network = await open()
      network.adopt('job-1')
      await isIsolated(job)
    })

    it('is repaired after a part of the rules was changed', async () => {
      const changes = [
        ['flush', 'chain', 'inet', 'sp_own', 'prerouting'],
        ['insert', 'rule', 'inet', 'sp_own', 'prerouting', 'accept'],
        ['delete', 'table', 'bridge', 'sp_own'],
        ['flush', 'set', 'bridge', 'sp_own', 'owners'],
      ]
      for (const change of changes) {
        await repaired(() => nft(...change))
        assert.match(warned[0] ?? '', /was changed|is missing/, change.join(' '))
        await isIsolated(job)
      }
    })

    it('takes no notice of the rules of other programs', async () => {
      warned.length = 0
      await nft('add', 'table', 'inet', 'other')
      await nft('delete', 'table', 'inet', 'other')
      await isIsolated(await network.acquire('job-3'))
      await network.release('job-3')
      assert.deepEqual(warned, [])
    })

    it('is repaired after its bridge was deleted, taken down, or lost its address, and after ports were detached', async () => {
      const changes: (readonly string[])[] = [
        ['link', 'del', 'spown'],
        ['link', 'set', 'spown', 'down'],
        ['addr', 'flush', 'dev', 'spown'],
        ['link', 'set', job.namespacePath.slice('/run/netns/'.length), 'nomaster'],
        ['link', 'set', job.namespacePath.slice('/run/netns/'.length), 'type', 'bridge_slave', 'isolated', 'off'],
      ]
      for (const change of changes) {
        await repaired(() => ip(...change))
        assert.match(warned[0] ?? '', /bridge/, change.join(' '))
        await isIsolated(job)
      }
    })

    it('is repaired after IPv4 forwarding was turned off', async () => {
      await repaired(() => writeFile(forwarding, '0'))
      assert.equal((await readFile(forwarding, 'utf8')).trim(), '1')
      await isIsolated(job)
    })

    it('sends and receives segments that fit the uplink, also when its MTU changes', async () => {
      // A hop that drops what is too large and says nothing: 1460 bytes in one segment arrive only where the job announced less.
      const server = await sockets.run(
        '/run/netns/world',
        `require('net').createServer((s) => s.on('error', () => s.destroy()).end(Buffer.alloc(1440, 'x')))
          .listen(81, '0.0.0.0', () => console.log('ready'))`,
      )
      for (const mtu of ['1500', '1400', '1300']) {
        await ip('link', 'set', 'up0', 'mtu', mtu)
        const got = await sockets.connect(outside.there, 81, { from: job.namespacePath })
        assert.match(got, /^x+$/, `at ${mtu}`)
      }
      server.kill()
      await ip('link', 'set', 'up0', 'mtu', '1500')
    })
  })
