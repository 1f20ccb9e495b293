import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runTool } from '../../../lib/tool.ts'
import { Sockets } from '../testing/sockets.ts'
import { createIsolatedNetwork } from './isolated.ts'
import type { IsolatedNetwork, NetworkLease } from './network.ts'

const isRoot = process.geteuid?.() === 0
/** Its own names on the machine, so that runs beside each other are no harm. */
const unique = process.pid.toString(36).slice(-4)
const log = { info: () => undefined, warn: () => undefined, error: (facts: object) => console.error(facts) }

/** A link to a namespace that stands for the rest of the world, with reserved addresses (RFC 5737) and that of cloud metadata. */
const outside = { name: `out${unique}`, here: '198.51.100.1', there: '198.51.100.2', metadata: '169.254.169.254' }

describe('the isolated network', { skip: !isRoot && 'only root can make bridges and rules' }, () => {
  let scratch: string
  let network: IsolatedNetwork
  let apiPort: number
  const sockets = new Sockets()
  const cleaning: (() => Promise<void>)[] = []

  /** What a job receives from an address, or the code of its error. */
  const askFrom = (job: NetworkLease, address: string, port: number, localAddress?: string): Promise<string> =>
    sockets.connect(address, port, {
      from: job.namespacePath,
      ...(localAddress === undefined ? {} : { localAddress }),
    })

  /** A network that is taken down after the tests, whatever a failed one forgot. */
  function make(instance: string, port: number, held: Readonly<Record<string, NetworkLease>> = {}): IsolatedNetwork {
    const slots = new Map(Object.entries(held).map(([attemptId, { slot }]) => [attemptId, slot]))
    const heldSlots = () => Promise.resolve(slots)
    const made = createIsolatedNetwork({ instance, stateDir: join(scratch, instance), heldSlots, apiPort: port, log })
    const attemptIds = new Set(slots.keys())
    const acquire = made.acquire.bind(made)
    made.acquire = (attemptId) => {
      attemptIds.add(attemptId)
      return acquire(attemptId)
    }
    cleaning.push(async () => {
      await Promise.all([...attemptIds].map((attemptId) => made.release(attemptId)))
      await made.close()
    })
    return made
  }
  const ip = (...args: string[]) => runTool('ip', args)

  /** Whatever of an instance is left on the machine. */
  async function traces(instance: string): Promise<readonly string[]> {
    const names = [...(await readdir('/sys/class/net')), ...(await readdir('/run/netns'))].filter((name) =>
      name.startsWith(`sp${instance}`),
    )
    const tables = (await runTool('nft', ['list', 'tables'])).toString().split('\n')
    return [...names, ...tables.filter((line) => line.endsWith(`sp_${instance}`))]
  }

  before(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'isolated-'))
    await ip('netns', 'add', outside.name)
    await ip('link', 'add', outside.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', outside.name)
    await ip('addr', 'add', `${outside.here}/24`, 'dev', outside.name)
    await ip('link', 'set', outside.name, 'up')
    await ip('route', 'add', `${outside.metadata}/32`, 'via', outside.there)
    for (const address of [`${outside.there}/24`, `${outside.metadata}/32`]) {
      await ip('-n', outside.name, 'addr', 'add', address, 'dev', 'eth0')
    }
    await ip('-n', outside.name, 'link', 'set', 'eth0', 'up')
    const probe = await sockets.listen('127.0.0.1')
    apiPort = probe
    network = make(`a${unique}`, apiPort)
    await network.open()
  })
  after(async () => {
    sockets.close()
    for (const clean of cleaning) await clean()
    await ip('link', 'del', outside.name)
    await ip('netns', 'del', outside.name)
    assert.deepEqual(await traces(`a${unique}`), [])
    await rm(scratch, { recursive: true })
  })

  it('lets jobs reach the API and no other service of the machine', async () => {
    const job = await network.acquire('reach-1')
    await sockets.listen(network.gateway, apiPort)
    const others: (readonly [string, number])[] = [['127.0.0.1', apiPort]]
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address)
    assert.ok(own.includes(outside.here))
    for (const address of own) others.push([address, await sockets.listen(address)])
    assert.match(await askFrom(job, network.gateway, apiPort), /^hello 10\./)
    for (const [address, port] of others)
      assert.equal(await askFrom(job, address, port), 'ECONNREFUSED', `${address}:${port}`)
    await network.release('reach-1')
  })

  it('lets jobs reach the outside from an address of the machine, but no link-local addresses', async () => {
    const job = await network.acquire('out-1')
    const world = `/run/netns/${outside.name}`
    await sockets.listenIn(world, outside.there, 7001)
    await sockets.listenIn(world, outside.metadata, 80)
    const direct = await sockets.connect(outside.metadata, 80)
    assert.equal(direct, `hello ${outside.here}`, 'the machine itself reaches it')
    assert.equal(await askFrom(job, outside.there, 7001), `hello ${outside.here}`)
    assert.equal(await askFrom(job, outside.metadata, 80), 'ECONNREFUSED')
    await network.release('out-1')
  })

  it('lets no other machine connect to a job', async () => {
    const job = await network.acquire('in-1')
    const address = addressOf(job)
    const server = await sockets.listenIn(job.namespacePath, '0.0.0.0', 7002)
    await ip('-n', outside.name, 'route', 'add', `${address}/32`, 'via', outside.here)
    assert.equal(await sockets.connect(address, 7002, { from: `/run/netns/${outside.name}` }), 'ECONNREFUSED')
    server.kill()
    await network.release('in-1')
  })

  it('lets no job connect to another job', async () => {
    const [one, two] = [await network.acquire('one-1'), await network.acquire('two-1')]
    const server = await sockets.listenIn(one.namespacePath, '0.0.0.0', 7003)
    assert.match(await askFrom(one, addressOf(one), 7003), /^hello/)
    assert.match(await askFrom(two, addressOf(one), 7003), /^(EHOSTUNREACH|TIMEOUT|ECONNREFUSED)$/)
    // Where the kernel shows bridged packets to the rules as well, these alone would do; elsewhere it is the bridge's task.
    const port = one.namespacePath.slice('/run/netns/'.length)
    assert.equal((await readFile(`/sys/class/net/${port}/brport/isolated`, 'utf8')).trim(), '1')
    server.kill()
    await network.release('one-1')
    await network.release('two-1')
  })

  it('drops packets of a job with an address other than its own', async () => {
    const liar = await network.acquire('liar-1')
    assert.match(await askFrom(liar, network.gateway, apiPort), /^hello/)
    const inside = ['-n', liar.namespacePath.slice('/run/netns/'.length)]
    // An unused address of the block, to which answers would come back; and one of another block.
    for (const stolen of [network.gateway.replace(/1$/, '253'), '198.51.100.77']) {
      await ip(...inside, 'addr', 'add', `${stolen}/32`, 'dev', 'eth0')
      assert.equal(await askFrom(liar, network.gateway, apiPort, stolen), 'TIMEOUT')
      await ip(...inside, 'addr', 'del', `${stolen}/32`, 'dev', 'eth0')
    }
    await network.release('liar-1')
  })

  it('has the names and name servers of a job', async () => {
    const job = await network.acquire('names-1')
    const again = await network.acquire('names-1')
    assert.equal(again.namespacePath, job.namespacePath)
    assert.match(job.hosts('my-job'), /^127\.0\.0\.1 localhost\n(.*\n)*10\.\S+ my-job\n$/)
    assert.doesNotMatch(job.resolvConf, /nameserver 127\./)
    await network.release('names-1')
    await network.release('names-1')
  })

  it('uses namespaces again, and few of them', async (t) => {
    const paths = new Set<string>()
    const times: number[] = []
    for (let i = 0; i < 60; i++) {
      const started = performance.now()
      const { namespacePath } = await network.acquire(`many-${i}`)
      times.push(performance.now() - started)
      paths.add(namespacePath)
      await network.release(`many-${i}`)
    }
    assert.ok(paths.size < 40, `${paths.size} namespaces`)
    const median = times.sort((a, b) => a - b)[30] ?? Infinity
    t.diagnostic(`${median.toFixed(2)} ms to have one, in the middle`)
  })

  it('neither disturbs the network of another platform nor reaches its jobs', async () => {
    const other = make(`b${unique}`, apiPort)
    await other.open()
    const [mine, theirs] = [await network.acquire('mine-1'), await other.acquire('theirs-1')]
    assert.notEqual(other.gateway, network.gateway)
    const theirApi = await sockets.listen(other.gateway, apiPort)
    assert.match(await askFrom(theirs, other.gateway, theirApi), /^hello/)
    assert.equal(await askFrom(mine, other.gateway, theirApi), 'ECONNREFUSED')
    const server = await sockets.listenIn(theirs.namespacePath, '0.0.0.0', 7004)
    assert.equal(await askFrom(mine, addressOf(theirs), 7004), 'ECONNREFUSED')
    server.kill()
    await other.release('theirs-1')
    await other.close()
    assert.deepEqual(await traces(`b${unique}`), [])
    assert.match(await askFrom(mine, network.gateway, apiPort), /^hello/)
    await network.release('mine-1')
  })

  it('is found again by the next server, with the leases of attempts that still run', async () => {
    const instance = `c${unique}`
    const killed = make(instance, apiPort)
    await killed.open()
    const before = await killed.acquire('stays-1')
    const gone = await killed.acquire('gone-1')
    // Attempts hold leases, so that closing removes nothing, as if that server was killed.
    await killed.close()
    const next = make(instance, apiPort + 1, { 'stays-1': before, 'gone-1': gone })
    await next.open()
    next.adopt('stays-1')
    next.adopt('never-heard-of-1')
    assert.equal(next.gateway, killed.gateway)
    assert.equal((await next.acquire('stays-1')).namespacePath, before.namespacePath)
    await sockets.listen(next.gateway, apiPort + 1)
    assert.match(await askFrom(before, next.gateway, apiPort + 1), /^hello/)
    const fresh = await next.acquire('fresh-1')
    assert.notEqual(fresh.namespacePath, before.namespacePath)

    await next.close()
    await access(before.namespacePath)
    assert.match(
      await askFrom(before, next.gateway, apiPort + 1),
      /^hello/,
      'jobs keep their network while no server runs',
    )

    const last = make(instance, apiPort, { 'stays-1': before, 'fresh-1': fresh })
    await last.open()
    last.adopt('stays-1')
    await last.release('stays-1')
    await last.release('fresh-1')
    // `gone-1` was never claimed and is empty: it does not keep the network.
    await last.close()
    assert.deepEqual(await traces(instance), [])
    await assert.rejects(access(join(scratch, instance)), { code: 'ENOENT' })
  })

  it('leaves a network alone in which processes run, although no known attempt holds it', async () => {
    const instance = `u${unique}`
    const killed = make(instance, apiPort)
    await killed.open()
    const unknown = await killed.acquire('unknown-1')
    const inside = spawn('nsenter', [`--net=${unknown.namespacePath}`, 'sh', '-c', 'echo up; exec sleep 600'])
    await once(inside.stdout, 'data')
    await killed.close()
    const next = make(instance, apiPort)
    await next.open()
    await access(unknown.namespacePath)
    assert.notEqual((await next.acquire('known-1')).slot, unknown.slot)
    inside.kill('SIGKILL')
    await once(inside, 'exit')
    await next.release('known-1')
    await next.close()
    assert.deepEqual(await traces(instance), [])
  })

  it('takes over the leases of the release before, and removes them one by one', async () => {
    const instance = `e${unique}`
    const killed = make(instance, apiPort)
    await killed.open()
    const before = await killed.acquire('stays-1')
    await killed.close()
    const folder = join(scratch, instance, 'leases')
    await mkdir(folder)
    await symlink(String(before.slot), join(folder, 'stays-1'))
    const next = make(instance, apiPort)
    await next.open()
    next.adopt('stays-1')
    assert.equal((await next.acquire('stays-1')).slot, before.slot)
    await next.release('stays-1')
    await assert.rejects(access(folder), { code: 'ENOENT' })
    await next.close()
    assert.deepEqual(await traces(instance), [])
  })

  it('attaches jobs again when the bridge was deleted', async () => {
    const instance = `d${unique}`
    const first = make(instance, apiPort)
    await first.open()
    const job = await first.acquire('job-1')
    await first.close()
    await ip('link', 'del', `sp${instance}`)
    const second = make(instance, apiPort, { 'job-1': job })
    await second.open()
    second.adopt('job-1')
    await sockets.listen(second.gateway, apiPort)
    assert.match(await askFrom(job, second.gateway, apiPort), /^hello/)
    await second.release('job-1')
    await second.close()
    assert.deepEqual(await traces(instance), [])
  })
})

function addressOf(job: NetworkLease): string {
  const address = / *(10\.\S+) host\n/.exec(job.hosts('host'))?.[1]
  assert.ok(address)
  return address
}
