import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  cgroupFolders,
  cgroupsPath,
  mountedHierarchies,
  noCgroups,
  procsFile,
  rootIsMountPoint,
  usageFiles,
  type Cgroups,
} from './cgroups.ts'
import { limitsOf, limitsText } from './machine.ts'
import { coresBetween, usageOf } from '../attempt/usage.ts'

const mountinfo = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
34 30 0:30 / /sys/fs/cgroup/uni\\040fied rw,relatime - cgroup2 cgroup2 rw
`

const v1: Cgroups = {
  version: 1,
  parent: '/science-platform-x',
  hierarchies: [
    { mountPoint: '/sys/fs/cgroup/cpu,cpuacct', controllers: ['cpu', 'cpuacct'] },
    { mountPoint: '/sys/fs/cgroup/memory', controllers: ['memory'] },
    { mountPoint: '/sys/fs/cgroup/systemd', controllers: [] },
  ],
  controllers: ['cpu', 'cpuacct', 'memory'],
}
const v2: Cgroups = {
  version: 2,
  parent: '/user.slice/science-platform-x',
  hierarchies: [{ mountPoint: '/sys/fs/cgroup', controllers: ['cpu', 'memory', 'pids'] }],
  controllers: ['cpu', 'memory', 'pids'],
}

describe('control groups', () => {
  it('are found in mountinfo', () => {
    assert.deepEqual(mountedHierarchies(mountinfo), [
      { mountPoint: '/sys/fs/cgroup/cpu,cpuacct', version: 1, controllers: ['cpu', 'cpuacct'], writable: true },
      { mountPoint: '/sys/fs/cgroup/memory', version: 1, controllers: ['memory'], writable: false },
      { mountPoint: '/sys/fs/cgroup/systemd', version: 1, controllers: [], writable: true },
      { mountPoint: '/sys/fs/cgroup/uni fied', version: 2, controllers: [], writable: true },
    ])
    assert.deepEqual(mountedHierarchies(''), [])
  })

  it('have a folder in every hierarchy, and one list of processes', () => {
    assert.equal(cgroupsPath(v1, 'j-1'), '/science-platform-x/j-1')
    assert.deepEqual(cgroupFolders(v1, 'j-1'), [
      '/sys/fs/cgroup/cpu,cpuacct/science-platform-x/j-1',
      '/sys/fs/cgroup/memory/science-platform-x/j-1',
      '/sys/fs/cgroup/systemd/science-platform-x/j-1',
    ])
    assert.equal(procsFile(v2, 'j-1'), '/sys/fs/cgroup/user.slice/science-platform-x/j-1/cgroup.procs')
  })

  it('have no path where none can be made', () => {
    assert.equal(cgroupsPath(noCgroups, 'j-1'), undefined)
    assert.deepEqual(cgroupFolders(noCgroups, 'j-1'), [])
    assert.equal(procsFile(noCgroups, 'j-1'), undefined)
    assert.deepEqual(usageFiles(noCgroups, 'j-1', 'now'), [])
  })

  it('name the usage files of the controllers that exist', () => {
    assert.deepEqual(
      usageFiles(v1, 'j-1', 'end').map(({ path }) => path),
      [
        '/sys/fs/cgroup/cpu,cpuacct/science-platform-x/j-1/cpuacct.usage',
        '/sys/fs/cgroup/memory/science-platform-x/j-1/memory.max_usage_in_bytes',
        '/sys/fs/cgroup/memory/science-platform-x/j-1/memory.oom_control',
      ],
    )
    assert.ok(usageFiles(v2, 'j-1', 'now').some(({ name }) => name === 'memory.current'))
  })

  it('impose the limits of their controllers, and a sentence describes each missing one', () => {
    assert.deepEqual(limitsOf(v2), { cpu: true, memory: true, pids: true })
    assert.deepEqual(limitsText(limitsOf(v2)), [])
    assert.deepEqual(limitsOf(v1), { cpu: true, memory: true, pids: false })
    assert.equal(limitsText(limitsOf(noCgroups)).length, 3)
    assert.match(limitsText(limitsOf(v1))[0] ?? '', /pids.*any number of processes/)
  })
})

it('a root that is no mount point is known', () => {
  assert.equal(rootIsMountPoint(mountinfo), true)
  assert.equal(rootIsMountPoint(mountinfo.split('\n').slice(1).join('\n')), false)
})

describe('usage', () => {
  it('is read from version 1', () => {
    const files = {
      'cpuacct.usage': '1500000000\n',
      'memory.usage_in_bytes': '1000\n',
      'memory.stat': 'cache 500\nrss 1\nshmem 2\ntotal_rss 100\ntotal_shmem 7\ninactive_file 300\nactive_file 5\n',
      'memory.max_usage_in_bytes': '2000\n',
      'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n',
      'blkio.throttle.io_service_bytes':
        '254:0 Read 10\n254:0 Write 20\n254:0 Total 30\n8:0 Read 1\n8:0 Write 2\nTotal 33\n',
    }
    assert.deepEqual(usageOf(files), {
      cpuSeconds: 1.5,
      memoryBytes: 700,
      residentBytes: 107,
      memoryPeakBytes: 2000,
      oomKills: 3,
      readBytes: 11,
      writtenBytes: 22,
    })
  })

  it('is read from version 2', () => {
    const files = {
      'cpu.stat': 'usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n',
      'memory.current': '1000\n',
      'memory.stat': 'anon 1\nshmem 2\ninactive_file 1200\n',
      'memory.peak': '2000\n',
      'memory.events': 'low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\noom_group_kill 0\n',
      'io.stat': '254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:0 rbytes=1 wbytes=2 rios=1\n',
    }
    assert.deepEqual(usageOf(files), {
      cpuSeconds: 2.5,
      memoryBytes: 0,
      residentBytes: 3,
      memoryPeakBytes: 2000,
      oomKills: 1,
      readBytes: 11,
      writtenBytes: 22,
    })
  })

  it('is absent where files are missing or have unexpected contents', () => {
    assert.deepEqual(usageOf({}), {})
    assert.deepEqual(usageOf({ 'cpuacct.usage': 'x', 'memory.peak': 'max\n', 'memory.events': '' }), {})
  })

  it('has no bytes of block devices where the kernel counted none', () => {
    const v1 = (text: string) => usageOf({ 'blkio.throttle.io_service_bytes': text })
    const v2 = (text: string) => usageOf({ 'io.stat': text })
    assert.deepEqual(v1('Total 0\n'), {})
    assert.deepEqual(v1('8:0 Read 0\n8:0 Write 0\n8:0 Total 0\nTotal 0\n'), {})
    assert.deepEqual(v1('8:0 Read 5\n8:0 Write 0\nTotal 5\n'), { readBytes: 5 }, 'buffered writes are not counted')
    assert.deepEqual(v2(''), {})
    assert.deepEqual(v2('8:0 rbytes=0 wbytes=0 rios=0\n'), {})
    assert.deepEqual(v2('8:0 rbytes=5 wbytes=0 rios=1\n'), { readBytes: 5, writtenBytes: 0 })
  })

  it('has cores from two samples that are far enough apart', () => {
    assert.equal(coresBetween({ at: 0, cpuSeconds: 1 }, { at: 2000, cpuSeconds: 4 }), 1.5)
    assert.equal(coresBetween({ at: 0, cpuSeconds: 1 }, { at: 100, cpuSeconds: 4 }), undefined)
    assert.equal(coresBetween({ at: 0, cpuSeconds: 4 }, { at: 1000, cpuSeconds: 3 }), 0)
  })
})
