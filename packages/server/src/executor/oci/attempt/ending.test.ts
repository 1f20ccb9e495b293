import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { runtimeFailure, type ProgramFacts } from '../../causes.ts'
import { endingOf, exitCodeOf, parseEndEvidence, type EndEvidence } from './ending.ts'
import { requireReference } from '../../../job/image-reference.ts'

const spec = {
  image: requireReference('images.example/astro:1'),
  account: { name: 'ada', uid: 1, gid: 1, groups: [] },
  resources: { cores: { request: 1, limit: 1 }, memoryGb: { request: 2, limit: 2 }, gpus: 0, fixed: true },
}

const evidence = (changes: Partial<EndEvidence>): EndEvidence => ({
  at: 5000,
  startedAt: 1000,
  stopped: false,
  killed: false,
  lost: false,
  lostBytes: 0,
  files: {},
  ...changes,
})

const ending = (changes: Partial<EndEvidence>, shortLog = '') => endingOf(evidence(changes), { spec, shortLog })

describe('the exit code', () => {
  it('is that of wait(2)', () => {
    assert.equal(exitCodeOf(undefined), undefined)
    assert.equal(exitCodeOf(0), 0)
    assert.equal(exitCodeOf(3 << 8), 3)
    assert.equal(exitCodeOf(255 << 8), 255)
    assert.equal(exitCodeOf(9), 137)
    assert.equal(exitCodeOf(11 | 128), 139, 'with a core dump')
  })

  it('is between 0 and 255 whatever the status', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), (status) => {
        const code = exitCodeOf(status)
        return code !== undefined && code >= 0 && code <= 255
      }),
    )
  })
})

describe('the cause', () => {
  const code = (changes: Partial<EndEvidence>, shortLog = '') => ending(changes, shortLog).cause.code

  it("is the command's own exit", () => {
    assert.equal(code({ status: 0 }), 'exited')
    assert.equal(code({ status: 5 << 8 }), 'exited')
    assert.equal(ending({ status: 5 << 8 }).exitCode, 5)
  })

  it('is a signal of another sender', () => {
    assert.equal(code({ status: 9 }), 'signalled')
    assert.match(ending({ status: 11 }).cause.message, /signal 11 \(SIGSEGV/)
  })

  it('is an exit where no signal was seen, and the signal is a possibility', () => {
    assert.equal(code({ status: 139 << 8 }), 'exited')
    assert.match(ending({ status: 137 << 8 }).cause.hint ?? '', /program's own, or signal 9 \(SIGKILL/)
    assert.match(ending({ status: 156 << 8 }).cause.message, /^The command ended with exit code 156\.$/)
    assert.equal(ending({ status: 200 << 8 }).cause.hint, undefined, 'there is no signal 72')
  })

  it('is a stop when the command died of it, and an exit when the command exited with a code of its own', () => {
    assert.equal(code({ status: 143 << 8, stopped: true }), 'cancelled')
    assert.equal(code({ status: 9, stopped: true, killed: true }), 'cancelled')
    assert.equal(code({ status: 0, stopped: true }), 'exited')
    assert.equal(code({ stopped: true }), 'cancelled')
  })

  it('is memory when the kernel killed a process for it and the command failed', () => {
    const files = {
      'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n',
      'memory.max_usage_in_bytes': '2147483648\n',
    }
    const { cause, usage } = ending({ status: 137 << 8, files })
    assert.equal(cause.code, 'out-of-memory')
    assert.match(cause.message, /limit of 2 GiB.*2\.00 GiB/)
    assert.match(cause.hint ?? '', /3 GiB/)
    assert.equal(usage?.oomKills, 2)
    assert.equal(code({ status: 9, files }), 'out-of-memory')
    for (const status of [0, 3 << 8, 11]) {
      const other = ending({ status, files, memoryKills: 2, firstMemoryKillAt: 2000, lastMemoryKillAt: 3000 })
      assert.notEqual(other.cause.code, 'out-of-memory', 'it went on without the process that was killed')
      assert.deepEqual(other.memoryKills, { count: 2, firstAt: 2000, lastAt: 3000, limitGb: 2 })
    }
  })

  it('has a remark about processes that outlived the first', () => {
    const remark = (changes: Partial<EndEvidence>) => ending({ status: 0, ...changes }).cause.remarks
    assert.equal(remark({}), undefined)
    assert.match(
      remark({ rest: 1, restNames: 'sleep' })?.[0] ?? '',
      /^1 process \(sleep\) was still running when the command ended, and it was/,
    )
    assert.match(
      remark({ rest: 2, killed: true, stopped: true })?.[0] ?? '',
      /^2 processes were still running when the grace period was over/,
    )
  })

  it('is lost when the end was not observed', () => {
    assert.equal(code({ lost: true }), 'lost')
    assert.equal(ending({ lost: true }).exitCode, undefined)
  })
})

describe('a program that cannot be run', () => {
  const told = (exitCode: number, log: string, program?: ProgramFacts) =>
    endingOf(evidence({ status: exitCode << 8 }), {
      spec,
      shortLog: log,
      ...(program === undefined ? {} : { program }),
    }).cause
  const bySaid = (reason: string) => `[FATAL tini (7)] exec nosuch failed: ${reason}\n`

  it('is recognised by the message of the init of earlier releases', () => {
    const cause = told(127, bySaid('No such file or directory'))
    assert.equal(cause.code, 'command-not-found')
    assert.match(cause.message, /images\.example\/astro:1 has no program .*nosuch/)
    assert.match(told(126, bySaid('Permission denied')).message, /user ada may not execute/)
    assert.match(told(1, bySaid('Exec format error')).hint ?? '', /processor/)
  })

  it('is recognised by the message of the runtime, which has found the program', () => {
    for (const code of [1, 255])
      assert.equal(told(code, 'exec ./a.sh: no such file or directory\n').code, 'command-not-found')
    assert.match(
      told(1, 'exec ./a.sh: no such file or directory\n').message,
      /^\.\/a\.sh is there, but the interpreter/,
    )
    assert.match(told(1, 'exec ./a: exec format error\n').message, /exec format error/)
  })

  it('is not recognised by the output of a program that ran', () => {
    assert.equal(told(0, bySaid('No such file or directory')).code, 'exited')
    assert.equal(told(127, `hello\n${bySaid('No such file or directory')}`).code, 'exited')
    assert.equal(told(127, 'sh: nosuch: not found\n').code, 'exited')
    assert.equal(told(2, 'exec ./a.sh: no such file or directory\n').code, 'exited')
    assert.equal(told(1, 'exec ./a.sh: no such file or directory\nmore\n').code, 'exited')
  })

  it('is recognised by the message of the runtime when it could not find the program', () => {
    const runc = (text: string) =>
      runtimeFailure(`time="2026" level=error msg="${text}"\n${text.replaceAll('\\', '')}\n`, spec)
    const start = 'runc run failed: unable to start container process: '
    assert.equal(runc(`${start}exec: \\"nosuch\\": executable file not found in $PATH`).code, 'command-not-found')
    assert.equal(runc(`${start}exec: \\"/x\\": stat /x: no such file or directory`).code, 'command-not-found')
    assert.equal(runc(`${start}exec: \\"/etc\\": permission denied`).code, 'command-not-found')
    assert.equal(runc('open init.pid: no space left on device').code, 'disk-full')
    assert.match(runc('something else').message, /something else/)
    assert.equal(runtimeFailure('', spec).code, 'start-failed')
    assert.equal(ending({ failure: 'unable to store init state', noRoom: true }).cause.code, 'disk-full')
    assert.equal(ending({ failure: 'exec: "/etc": permission denied', noRoom: true }).cause.code, 'command-not-found')
  })
})

describe('usage at the end', () => {
  it('has the mean of cores', () => {
    const { usage } = ending({ status: 0, files: { 'cpuacct.usage': '2000000000\n' } })
    assert.deepEqual(usage, { cpuSeconds: 2, cores: 0.5 })
  })

  it('uses the measurement of the supervisor where there is no control group', () => {
    assert.equal(ending({ status: 0, childSeconds: 1.5 }).usage?.cpuSeconds, 1.5)
    assert.equal(ending({ lost: true, childSeconds: 1.5 }).usage, undefined)
  })
})

describe('evidence', () => {
  it('is read back as it was written, and rejected when incomplete', () => {
    const written = JSON.stringify(evidence({ status: 0 }))
    assert.deepEqual(parseEndEvidence(written), evidence({ status: 0 }))
    assert.equal(parseEndEvidence(undefined), undefined)
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: written.length - 1 }),
        (length) => parseEndEvidence(written.slice(0, length)) === undefined,
      ),
    )
    assert.equal(parseEndEvidence('{"at":1}'), undefined)
  })
})
