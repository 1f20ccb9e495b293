import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { AttemptRunner } from '../executor-contract.ts'
import { busyboxReference } from './testing/busybox-root.ts'
import { ada, OciUnderTest, whyNotAsRoot } from './testing/oci-under-test.ts'

const skip = whyNotAsRoot() ?? false

describe('what a container may do and see', { skip }, () => {
  let tested: OciUnderTest
  let runner: AttemptRunner

  before(async () => {
    tested = await OciUnderTest.open({ pidsLimit: 64 })
    runner = new AttemptRunner(tested.executor, { image: busyboxReference, account: ada }, 'isolation')
  })
  afterEach(() => tested.tidy())
  after(() => tested.close())

  const output = async (script: string, changes = {}): Promise<string> => {
    const spec = runner.script(script, changes)
    await runner.run(spec)
    return runner.log(spec.id)
  }

  it('has the ids of its account, by name', async () => {
    assert.equal(await output('id'), 'uid=52001(ada) gid=52001(ada) groups=53001(stars),53002(comets)\n')
  })

  it('has no capabilities, no new privileges and a seccomp filter', async () => {
    const status = await output('', { cmd: ['cat', '/proc/self/status'] })
    for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb']) assert.match(status, new RegExp(`^Cap${set}:\\t0+$`, 'm'))
    assert.match(status, /^NoNewPrivs:\t1$/m)
    assert.match(status, /^Seccomp:\t2$/m)
    assert.match(status, /^SigIgn:\t0+$/m, 'nothing that the supervisor ignores is ignored in the job')
    assert.match(status, /^SigBlk:\t0+$/m)
  })

  it('sees its own processes, host name and control group only', async () => {
    const seen = await output('ps -o pid,args; hostname; cat /proc/self/cgroup')
    assert.match(seen, /^ *1 \/dev\/init/m)
    assert.ok(seen.split('\n').filter((line) => /^ *\d+ [/{s]/.test(line)).length < 6, seen)
    assert.match(seen, /^contract-job$/m)
    for (const line of seen.split('\n').filter((candidate) => /^\d+:/.test(candidate))) assert.match(line, /:\/$/)
  })

  it('may not mount, enter namespaces, make user namespaces or devices', async () => {
    const tried = await output(
      [
        'mount -t tmpfs none /tmp',
        'unshare -U true',
        'unshare -n true',
        'chroot /tmp true',
        'mknod /tmp/node b 254 0',
        'mknod /tmp/null c 1 3 && cat /tmp/null',
        'echo 1 > /proc/sys/kernel/sysctl_writes_strict',
        'echo b > /proc/sysrq-trigger',
        'dmesg | head -1',
        '[ "$(date -s 2000-01-01 >&2; date +%Y)" = 2000 ]',
        'cat /proc/kcore | head -c 1 | wc -c',
        'ls /sys/firmware | wc -l',
      ]
        .map(
          (command) =>
            `{ ${command}; } 2>/dev/null && echo "done: ${command.replaceAll('|', ' ').replaceAll('>', ' ')}"`,
        )
        .join('; '),
    )
    const done = tried.split('\n').filter((line) => line.startsWith('done:'))
    // Pipes end with their last command, so these three "succeed"; what they show is nothing.
    assert.deepEqual(
      done.filter((line) => !/dmesg|kcore|firmware/.test(line)),
      [],
    )
    assert.deepEqual(
      tried.split('\n').filter((line) => line !== '' && !line.startsWith('done:')),
      ['0', '0'],
    )
  })

  it('cannot use setuid programs and device nodes of its image', async () => {
    execFileSync('mknod', [join(tested.rootfs, 'evil-disk'), 'b', '254', '0'])
    chmodSync(join(tested.rootfs, 'evil-disk'), 0o666)
    copyFileSync('/bin/busybox', join(tested.rootfs, 'bin/suid-id'))
    chmodSync(join(tested.rootfs, 'bin/suid-id'), 0o4755)
    const seen = await output(
      'head -c 1 /evil-disk | wc -c; mv /bin/suid-id /tmp/x 2>/dev/null; suid-id id -u || /bin/suid-id',
    )
    assert.match(seen, /Permission denied|Operation not permitted/)
    assert.match(seen, /^0$/m)
    const shell = await output('cp /bin/busybox id 2>/dev/null; /bin/busybox id -u; rm -f id')
    assert.equal(shell, '52001\n')
  })

  it('writes to its root, and leaves nothing in the image', async () => {
    chmodSync(join(tested.rootfs, 'root'), 0o777)
    assert.equal(await output('echo changed > /root/file; cat /root/file; echo x > /tmp/y; ls /tmp'), 'changed\ny\n')
    assert.equal(existsSync(join(tested.rootfs, 'root/file')), false)
    assert.equal(existsSync(join(tested.rootfs, 'arc')), false)
    assert.equal(await output('ls /root /tmp'), '/root:\n\n/tmp:\n')
  })

  it('does not reach outside by links in /arc', async () => {
    const home = join(tested.dataDir, 'arc/home/ada')
    writeFileSync(join(tested.folder, 'secret'), 'secret\n')
    chmodSync(tested.folder, 0o755)
    assert.equal(await output('true'), '')
    symlinkSync(join(tested.folder, 'secret'), join(home, 'link'))
    symlinkSync('../../../../../../../../etc/hostname', join(home, 'up'))
    const seen = await output('cat link up; cat /arc/home/../../../../etc/shadow')
    assert.doesNotMatch(seen, /secret\n/)
    assert.doesNotMatch(seen, /^root:[*!$]/m)
    assert.match(seen, /link.*No such file/)
  })

  it('has a home of its own that others cannot enter', async () => {
    await output('echo private > diary')
    const home = join(tested.dataDir, 'arc/home/ada')
    assert.equal(statSync(home).mode & 0o7777, 0o700)
    assert.equal(statSync(home).uid, ada.uid)
    const eve = { name: 'eve', uid: 52_002, gid: 52_002, groups: [] }
    const seen = await output('ls /arc/home; cat /arc/home/ada/diary', { account: eve })
    assert.match(seen, /^eve\n/)
    assert.doesNotMatch(seen, /private/)
  })

  it('shares a project with the members of its group', async () => {
    const project = join(tested.dataDir, 'arc/projects/survey')
    mkdirSync(project)
    chownSync(project, 0, 53_001)
    chmodSync(project, 0o2770)
    assert.equal(await output('echo data > /arc/projects/survey/x && cat /arc/projects/survey/x'), 'data\n')
    assert.equal(statSync(join(project, 'x')).gid, 53_001)
    const eve = { name: 'eve', uid: 52_002, gid: 52_002, groups: [] }
    assert.match(await output('cat /arc/projects/survey/x', { account: eve }), /Permission denied/)
  })

  it('has no network on the network none', async () => {
    const seen = await output(
      'ls /sys/class/net; cat /etc/resolv.conf | wc -c; ping -c 1 -w 1 127.0.0.2; hostname -i',
      {
        network: 'none',
      },
    )
    assert.match(seen, /^lo\n0\n/)
  })

  it('has the network of the machine on the network host', async () => {
    const server = createServer((socket) => socket.end('hello from outside\n')).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    assert.match(await output(`nc 127.0.0.1 ${port}`, { network: 'host' }), /hello from outside/)
    assert.doesNotMatch(await output(`nc -w 1 127.0.0.1 ${port}`, { network: 'none' }), /hello from outside/)
    server.close()
  })

  it('reports what the network isolated needs where it is missing', async () => {
    const { ending } = await runner.run(runner.script('true', { network: 'isolated' }))
    assert.equal(ending?.cause.code, 'start-failed')
    assert.match(ending.cause.message, /root/)
  })

  it('ends a job over its memory limit, and reports limit and peak', async () => {
    const spec = runner.script('head -c 1500m /dev/zero | tail -c 1400m > /dev/null')
    const { ending } = await runner.run({ ...spec, cmd: ['/bin/sh', '-c', 'exec tail -c 1400m < /dev/zero'] })
    assert.equal(ending?.cause.code, 'out-of-memory')
    assert.match(ending.cause.message, /limit of 1 GiB.*peak was 1\.00 GiB/)
    assert.ok((ending.usage?.oomKills ?? 0) > 0)
    assert.ok((ending.usage?.memoryPeakBytes ?? 0) > 1_000_000_000)
  })

  it("counts what is in /dev/shm as the job's memory", async () => {
    const { ending } = await runner.run(runner.script('exec head -c 1400m /dev/zero > /dev/shm/big'))
    assert.ok(ending?.exitCode !== 0)
    assert.ok((ending?.usage?.memoryPeakBytes ?? 0) <= 1024 ** 3)
  })

  it('tells memory that a job needs from page cache, which the kernel takes back', async () => {
    // The samples are a second apart at most, and five are taken before there is a figure.
    const script =
      'head -c 200m /dev/zero > /dev/shm/held; head -c 300m /dev/zero > cache; cat cache > /dev/null; sleep 8; rm cache'
    const { ending } = await runner.run(runner.script(script))
    assert.equal(ending?.exitCode, 0)
    const { residentPeakBytes = 0, memoryPeakBytes = 0, residentBytes } = ending.usage ?? {}
    const mib = 2 ** 20
    assert.ok(residentPeakBytes >= 199 * mib && residentPeakBytes < 260 * mib, `${residentPeakBytes / mib} MiB`)
    assert.ok(memoryPeakBytes > 400 * mib, `${memoryPeakBytes / mib} MiB`)
    assert.equal(residentBytes, undefined, 'nothing is held after the end')
  })

  it('stops a fork bomb at the limit of processes, and the machine goes on', async () => {
    const spec = runner.script(
      'bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1; echo "$(ls -d /proc/[0-9]* | wc -l)" > count; exit 0',
    )
    await runner.executor.start(spec)
    const { ending } = await runner.observed(spec.id, ({ phase }) => phase === 'ended')
    assert.ok(ending !== undefined)
    const most = Number(await output('cat count 2>/dev/null || echo 0; rm -f count'))
    assert.ok(most <= 64, String(most))
  })

  it('uses no more than its cores', async () => {
    const half = { cores: { request: 0.5, limit: 0.5 }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true }
    const spec = runner.script('echo up; end=$(($(date +%s)+2)); while [ $(date +%s) -lt $end ]; do :; done', {
      resources: half,
    })
    const { ending } = await runner.run(spec)
    assert.ok((ending?.usage?.cores ?? 1) < 0.7, JSON.stringify(ending))
  })

  it('has a /tmp where the image has none', async () => {
    const bare = await OciUnderTest.open()
    try {
      execFileSync('rmdir', [join(bare.rootfs, 'tmp')])
      const own = new AttemptRunner(bare.executor, { image: busyboxReference, account: ada }, 'baretmp')
      const spec = own.script('echo x > /tmp/x && cat /tmp/x')
      await own.run(spec)
      assert.equal(await own.log(spec.id), 'x\n')
    } finally {
      await bare.close()
    }
  })

  it("works with an image whose /etc/passwd is a link to the machine's", async () => {
    const linked = await OciUnderTest.open()
    try {
      execFileSync('ln', ['-sf', '/etc/shadow', join(linked.rootfs, 'etc/passwd')])
      const before = readFileSync('/etc/shadow', 'utf8')
      const own = new AttemptRunner(linked.executor, { image: busyboxReference, account: ada }, 'linkedetc')
      const spec = own.script('id -un; cat /etc/passwd')
      const { ending } = await own.run(spec)
      assert.equal(ending?.exitCode, 0, await own.log(spec.id))
      assert.match(await own.log(spec.id), /^ada\n/)
      assert.equal(readFileSync('/etc/shadow', 'utf8'), before)
    } finally {
      await linked.close()
    }
  })
})
