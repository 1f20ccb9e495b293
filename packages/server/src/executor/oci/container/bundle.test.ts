import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { PreparedImage } from '../../../image/store/local-images.ts'
import type { AttemptSpec } from '../../executor.ts'
import { containerIds, groupText, passwdText } from '../../container-user.ts'
import { commandOf, environmentOf, ociConfig, resourcesOf, type Placement } from './bundle.ts'
import { noCgroups } from './cgroups.ts'
import type { Machine } from './machine.ts'
import { seccompProfile } from './seccomp.ts'
import { requireReference } from '../../../job/image-reference.ts'

const image: PreparedImage = {
  reference: requireReference('localhost/a:1'),
  digest: 'sha256:a',
  rootfs: '/images/a',
  entrypoint: ['/entry'],
  cmd: ['default'],
  env: ['PATH=/opt/bin', 'LANG=C', 'BAD', 'EQUALS=a=b'],
  workingDir: '/work',
  passwd: 'root:x:0:0:root:/root:/bin/sh\nada:x:1:1::/nowhere:/bin/false\nother:x:5:5::/:/bin/sh',
  group: 'root:x:0:\nstars:x:7:\n',
}
const spec: AttemptSpec = {
  id: 'abcdefgh-1',
  jobId: 'abcdefgh',
  name: 'nightly',
  account: { name: 'ada', uid: 2001, gid: 2001, groups: [{ name: 'stars', gid: 3001 }] },
  image: requireReference('localhost/a:1'),
  env: { LANG: 'de', HOME: '/arc/home/ada' },
  resources: { cores: { request: 1, limit: 4 }, memoryGb: { request: 1, limit: 2 }, gpus: 0, fixed: false },
  graceSeconds: 30,
}
const machine: Machine = {
  architecture: 'x64',
  bootId: 'b',
  rootless: false,
  ownRoot: false,
  swap: false,
  cgroups: {
    version: 1,
    parent: '/science-platform-x',
    hierarchies: [{ mountPoint: '/sys/fs/cgroup/all', controllers: ['cpu', 'memory', 'pids', 'devices'] }],
    controllers: ['cpu', 'memory', 'pids', 'devices'],
  },
  processors: [0, 1, 2, 3],
  resourceLimits: [{ type: 'RLIMIT_CORE', soft: 0, hard: 1 }],
}
const placement: Placement = {
  rootfs: '/data/rootfs',
  homeFolder: '/data/arc/home/ada',
  projectsFolder: '/data/arc/projects',
  scratchFolder: '/data/scratch/abcdefgh-1',
  etc: { passwd: '/data/names/1', group: '/data/names/2', hosts: '/data/names/3', 'resolv.conf': '/data/names/4' },
  network: { type: 'isolated', namespacePath: '/run/netns/7' },
  pidsLimit: 100,
  umask: 0o002,
  programs32Bit: false,
}
const config = (
  changes: { spec?: Partial<AttemptSpec>; placement?: Partial<Placement>; machine?: Partial<Machine> } = {},
) =>
  ociConfig(
    { ...spec, ...changes.spec },
    image,
    { ...placement, ...changes.placement },
    { ...machine, ...changes.machine },
  )

describe('the command', () => {
  it('follows the rules of Kubernetes', () => {
    assert.deepEqual(commandOf({}, image), ['/entry', 'default'])
    assert.deepEqual(commandOf({ args: ['x'] }, image), ['/entry', 'x'])
    assert.deepEqual(commandOf({ args: [] }, image), ['/entry'])
    assert.deepEqual(commandOf({ cmd: ['/c'] }, image), ['/c'])
    assert.deepEqual(commandOf({ cmd: ['/c'], args: ['x', ''] }, image), ['/c', 'x', ''])
    assert.deepEqual(commandOf({}, { entrypoint: [], cmd: [] }), [])
  })
})

describe('the environment', () => {
  it("is the image's, overridden by the attempt's", () => {
    assert.deepEqual(environmentOf(spec, image), [
      'PATH=/opt/bin',
      'LANG=de',
      'BAD=',
      'EQUALS=a=b',
      'HOME=/arc/home/ada',
    ])
  })

  it('always has a PATH', () => {
    assert.match(environmentOf({ env: {} }, { env: [] })[0] ?? '', /^PATH=.*\/usr\/bin/)
  })
})

describe('the configuration', () => {
  it('runs the command as the account, at home, without privileges', () => {
    const { process, hostname } = config()
    assert.deepEqual(process.args, ['/entry', 'default'])
    assert.deepEqual(process.user, { uid: 2001, gid: 2001, additionalGids: [3001], umask: 2 })
    assert.deepEqual(process.rlimits, [{ type: 'RLIMIT_CORE', soft: 0, hard: 1 }])
    assert.equal(process.cwd, '/arc/home/ada')
    assert.ok(Object.values(process.capabilities).every((set) => set.length === 0))
    assert.equal(process.noNewPrivileges, true)
    assert.equal(hostname, 'nightly')
  })

  it('mounts nothing that may hold devices or setuid programs, but /dev', () => {
    for (const { destination, options } of config().mounts) {
      assert.ok(options.includes('nosuid'), destination)
      if (!['/dev', '/dev/pts'].includes(destination)) assert.ok(options.includes('nodev'), destination)
    }
  })

  it('mounts parents before what is in them', () => {
    const destinations = config().mounts.map(({ destination }) => destination)
    for (const [i, destination] of destinations.entries())
      for (const earlier of destinations.slice(0, i))
        assert.ok(!earlier.startsWith(`${destination}/`), `${earlier} before ${destination}`)
  })

  it('joins, makes or shares a network', () => {
    const network = (placed: Placement['network']) =>
      config({ placement: { network: placed } }).linux.namespaces.find(({ type }) => type === 'network')
    assert.deepEqual(network({ type: 'isolated', namespacePath: '/n' }), { type: 'network', path: '/n' })
    assert.deepEqual(network({ type: 'none' }), { type: 'network' })
    assert.equal(network({ type: 'host' }), undefined)
  })

  it('has no limits without root and control groups', () => {
    const { process, linux, mounts } = config({
      machine: { rootless: true, cgroups: noCgroups },
      placement: { network: { type: 'host' } },
    })
    assert.deepEqual(process.user, { uid: 0, gid: 0, umask: 2 })
    assert.ok(!mounts.some(({ type }) => type === 'cgroup'))
    assert.equal(linux.cgroupsPath, undefined)
    assert.equal(linux.resources, undefined)
    assert.equal(mounts.find(({ destination }) => destination === '/sys')?.options[0], 'rbind')
    assert.ok(!mounts.some(({ options }) => options.includes('gid=5')))
  })

  it('shows the limits of the job: its control group, read-only, and the processors that it is bound to', () => {
    const cgroup = config().mounts.find(({ destination }) => destination === '/sys/fs/cgroup')
    assert.equal(cgroup?.type, 'cgroup')
    assert.ok(cgroup.options.includes('ro'))
    const online = ({ mounts }: ReturnType<typeof config>) =>
      mounts.find(({ destination }) => destination === '/sys/devices/system/cpu/online')?.source
    assert.equal(online(config()), undefined)
    assert.equal(online(config({ placement: { processorsFile: '/data/names/5' } })), '/data/names/5')
  })

  it('has the devices, variables, files and hooks of its GPUs, and those of no others', () => {
    assert.equal(config().linux.devices, undefined)
    assert.equal(config().hooks, undefined)
    const gpus = {
      devices: [{ path: '/dev/nvidia3', major: 195, minor: 3 }],
      env: { CUDA_VISIBLE_DEVICES: '0', LANG: 'lost', EQUALS: 'won' },
      mounts: [{ source: '/lib/cuda', destination: '/usr/lib/cuda', options: ['ro', 'nosuid', 'nodev'] }],
      hooks: [{ hookName: 'createContainer', path: '/usr/bin/hook', args: ['hook'] }],
    }
    const { linux, hooks, mounts, process } = config({ placement: { gpus } })
    assert.deepEqual(linux.devices, [{ path: '/dev/nvidia3', type: 'c', major: 195, minor: 3, fileMode: 0o666 }])
    assert.deepEqual(linux.resources?.devices, [
      { allow: false, access: 'rwm' },
      { allow: true, access: 'rw', type: 'c', major: 195, minor: 3 },
    ])
    assert.deepEqual(hooks, { createContainer: [{ path: '/usr/bin/hook', args: ['hook'] }] })
    assert.equal(mounts.at(-1)?.destination, '/usr/lib/cuda')
    assert.ok(process.env.includes('CUDA_VISIBLE_DEVICES=0'))
    assert.ok(
      process.env.includes('LANG=de') && process.env.includes('EQUALS=won'),
      "the job's own, these, the image's",
    )
  })
})

describe('limits', () => {
  it('set the share by the request and the quota by the limit', () => {
    assert.deepEqual(resourcesOf(spec, { pidsLimit: 100 }, machine), {
      devices: [{ allow: false, access: 'rwm' }],
      cpu: { shares: 1024, quota: 400_000, period: 100_000 },
      memory: { limit: 2 * 1024 ** 3 },
      pids: { limit: 100 },
    })
  })

  it('cover swap where there is some', () => {
    assert.equal(resourcesOf(spec, { pidsLimit: 100 }, { ...machine, swap: true }).memory?.swap, 2 * 1024 ** 3)
  })

  it('are left out where the controller is missing: the runtime fails on them', () => {
    const cgroups = { ...machine.cgroups, controllers: ['devices'] }
    assert.deepEqual(Object.keys(resourcesOf(spec, { pidsLimit: 100 }, { ...machine, cgroups })), ['devices'])
  })
})

describe('accounts', () => {
  it("come first and take the place of the image's of the same name", () => {
    assert.equal(
      passwdText(image.passwd, spec.account, false),
      'ada:x:2001:2001:ada:/arc/home/ada:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\nother:x:5:5::/:/bin/sh\n',
    )
    assert.equal(groupText(image.group, spec.account, false), 'ada:x:2001:\nstars:x:3001:ada\nroot:x:0:\n')
  })

  it('name the primary group once', () => {
    const account = { ...spec.account, gid: 3001 }
    assert.equal(groupText('', account, false), 'stars:x:3001:ada\n')
  })

  it('are user 0 of a user namespace without root', () => {
    assert.deepEqual(containerIds(spec.account, true), { uid: 0, gid: 0, additionalGids: [] })
    assert.match(passwdText(image.passwd, spec.account, true), /^ada:x:0:0:/)
    assert.match(groupText(image.group, spec.account, true), /^ada:x:0:\n/)
  })
})

describe('the seccomp profile', () => {
  const allowed = (name: string) =>
    seccompProfile('x64', false).syscalls.some(
      ({ names, action, args }) => names.includes(name) && action === 'SCMP_ACT_ALLOW' && args === undefined,
    )

  it('allows what programs need', () => {
    for (const name of ['read', 'openat', 'mmap', 'execve', 'futex', 'ptrace', 'set_mempolicy', 'process_vm_readv'])
      assert.ok(allowed(name), name)
  })

  it('refuses what reaches out of a container', () => {
    const names =
      'mount umount2 pivot_root setns bpf keyctl add_key request_key kexec_load init_module finit_module delete_module'
    const more =
      'perf_event_open userfaultfd open_by_handle_at reboot swapon settimeofday clock_settime io_uring_setup acct quotactl'
    for (const name of `${names} ${more} clone unshare socket personality move_mount fsopen iopl ioperm syslog chroot`.split(
      ' ',
    ))
      assert.ok(!allowed(name), name)
  })

  it('allows no call that makes a user namespace', () => {
    const rules = seccompProfile('x64', false).syscalls
    for (const name of ['clone', 'unshare']) {
      const mask = rules.find(({ names }) => names.includes(name))?.args?.[0]
      assert.equal(mask?.op, 'SCMP_CMP_MASKED_EQ')
      assert.equal((mask?.value ?? 0) & 0x10000000, 0x10000000)
    }
    assert.equal(rules.find(({ names }) => names.includes('clone3'))?.errnoRet, 38)
  })

  it('names no call twice', () => {
    const plain = seccompProfile('x64', false).syscalls.find(({ args }) => args === undefined)?.names ?? []
    assert.equal(new Set(plain).size, plain.length)
  })

  it('allows 32-bit programs where the image has a loader for them', () => {
    assert.deepEqual(seccompProfile('x64', false).architectures, ['SCMP_ARCH_X86_64'])
    assert.deepEqual(seccompProfile('x64', true).architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'])
    assert.deepEqual(seccompProfile('arm64', true).architectures, ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'])
  })
})
