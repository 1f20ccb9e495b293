import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { notRunnable } from './causes.ts'
import { AttemptRunner, text } from './attempt-runner.ts'
import { describeEnvironment } from './environment-contract.ts'
import type { AttemptSpec } from './executor.ts'
import { describeWorkingDirectory } from './working-directory-contract.ts'
import type { ExecutorUnderTest } from './executor-under-test.ts'
import {
  awaitFile,
  die,
  exit,
  forever,
  remove,
  touch,
  use,
  wait,
  write,
  type BehaviourOf,
  type Step,
} from './simulated/behaviour.ts'

/** The contract of every executor: executors differ, the job does not. */
export function describeExecutor(name: string, make: () => Promise<ExecutorUnderTest>): void {
  describe(`the executor ${name}`, () => {
    let tested: ExecutorUnderTest
    let runner: AttemptRunner
    const never = new AbortController().signal
    const now = (): number => tested.now?.() ?? Date.now()

    /** An attempt that runs a script; `does` is the behaviour of the script for executors without a shell. */
    const scripted = (
      script: string,
      does: readonly Step[] | BehaviourOf,
      changes: Partial<AttemptSpec> = {},
    ): AttemptSpec => {
      const spec = runner.script(script, changes)
      tested.rehearse?.(spec.id, typeof does === 'function' ? does : () => ({ command: does }))
      return spec
    }
    const ignoring: BehaviourOf = () => ({ command: [write('up\n'), forever], onSignal: { TERM: [] } })

    before(async () => {
      tested = await make()
      runner = new AttemptRunner(tested.executor, { image: tested.image, account: tested.account })
    })
    after(() => tested.close())

    it('offers nodes with capacity', async () => {
      const nodes = await runner.executor.nodes()
      assert.ok(nodes.length > 0)
      for (const node of nodes) assert.ok(node.name !== '' && node.cores > 0 && node.memoryGb > 0)
    })

    it('reports exit code 0', async () => {
      const { ending, startedAt, imageDigest } = await runner.run(scripted('exit 0', [exit(0)]))
      assert.equal(ending?.exitCode, 0)
      assert.equal(ending.cause.code, 'exited')
      assert.equal(ending.stopped, false)
      assert.ok(startedAt !== undefined && startedAt <= ending.at)
      assert.match(imageDigest ?? '', /^sha256:/)
    })

    it('reports another exit code', async () => {
      const { ending } = await runner.run(scripted('exit 3', [exit(3)]))
      assert.deepEqual([ending?.exitCode, ending?.cause.code], [3, 'exited'])
      assert.match(ending?.cause.message ?? '', /3/)
    })

    it('reports a signal as 128 + N', async () => {
      const { ending } = await runner.run(scripted('kill -SEGV $$', [die('SIGSEGV')]))
      const code = tested.whyNoSignals === undefined ? 'signalled' : 'exited'
      assert.deepEqual([ending?.exitCode, ending?.cause.code], [139, code])
      assert.match(`${ending?.cause.message} ${ending?.cause.hint}`, /signal 11 \(SIGSEGV/)
    })

    it('reports a code over 128 as the exit that it is, and the signal as a possibility', async () => {
      const { ending } = await runner.run(scripted('exit 156', [exit(156)]))
      assert.deepEqual([ending?.exitCode, ending?.cause.code], [156, 'exited'])
      assert.match(ending?.cause.message ?? '', /exit code 156\.$/)
      assert.match(ending?.cause.hint ?? '', /may be the program's own, or signal 28 \(SIGWINCH\)/)
    })

    it('runs an attempt once that was started twice', async () => {
      const spec = scripted('echo once; echo "$$" >> ran; wc -l < ran; rm ran', [write('once\n1\n')])
      await Promise.all([runner.executor.start(spec), runner.executor.start(spec)])
      await runner.ended(spec.id)
      await runner.executor.start(spec)
      assert.equal((await runner.executor.list()).filter(({ attemptId }) => attemptId === spec.id).length, 1)
      assert.equal(await runner.log(spec.id), 'once\n1\n')
    })

    it('keeps stdout and stderr in the order they were written', async () => {
      const lines = [1, 2, 3, 4, 5].flatMap((i) => [`out${i}\n`, `err${i}\n`])
      const spec = scripted('for i in 1 2 3 4 5; do echo out$i; echo err$i >&2; done', lines.map(write))
      await runner.run(spec)
      const wanted = lines.join('')
      const linesOf = (all: string, stream: string) => all.split('\n').filter((line) => line.startsWith(stream))
      const log = await runner.log(spec.id)
      if (tested.logOfLines !== true) assert.equal(log, wanted)
      else for (const stream of ['out', 'err']) assert.deepEqual(linesOf(log, stream), linesOf(wanted, stream))
      assert.equal(log.length, wanted.length)
    })

    it('passes arguments and variables as they are', async () => {
      const odd = 'a b  "c" $HOME \\ \'d\' \t=é*'
      const spec = scripted(
        '',
        ({ args = [], env }) => ({
          command: [...args.slice(2), env['ODD'], env['EMPTY']].map((word) => write(`${word}|`)),
        }),
        {
          cmd: ['/bin/sh', '-c'],
          args: ['printf "%s|" "$@" "$ODD" "$EMPTY"', 'sh', odd, '', 'x'],
          env: { ODD: odd, EMPTY: '' },
        },
      )
      await runner.run(spec)
      assert.equal(await runner.log(spec.id), `${odd}||x|${odd}||`)
    })

    it('works in the home folder, as the account, with its name and groups', async (context) => {
      if (tested.whyNoContainers !== undefined) return context.skip(tested.whyNoContainers)
      const spec = runner.script('pwd; id -un; touch mine && ls -ln mine | wc -l; cat mine; rm mine; hostname')
      await runner.run(spec)
      const home = `/arc/home/${tested.account.name}`
      assert.equal(await runner.log(spec.id), `${home}\n${tested.account.name}\n1\ncontract-job\n`)
    })

    it('has a scratch folder that is gone afterwards, and a home and projects that stay', async (context) => {
      if (tested.whyNoContainers !== undefined) return context.skip(tested.whyNoContainers)
      const first = runner.script('echo a > /scratch/a; echo b > b; ls -d /arc/projects; echo c > /tmp/c')
      const { ending } = await runner.run(first)
      assert.equal(ending?.exitCode, 0, await runner.log(first.id))
      const second = runner.script('ls /scratch; cat b; rm b; ls /tmp/c')
      await runner.run(second)
      assert.match(await runner.log(second.id), /^b\nls: .*c.*No such file/)
    })

    it('reports that a program is missing', async () => {
      const { ending } = await runner.run(
        scripted('', (spec) => ({ command: [], failure: notRunnable(spec.cmd?.[0] ?? '', 'not found', spec) }), {
          cmd: ['no-such-program', 'x'],
        }),
      )
      assert.equal(ending?.cause.code, 'command-not-found')
      assert.match(ending.cause.message, /no-such-program/)
      assert.ok(ending.cause.hint)
    })

    it('reports that the interpreter of a script is missing, and that a program is a folder', async (context) => {
      if (tested.whyNoContainers !== undefined) return context.skip(tested.whyNoContainers)
      const made = runner.script(
        `printf '#!/bin/sh\\r\\necho hi\\r\\n' > win.sh; printf '#!/no/such/python\\n' > no.sh; chmod +x win.sh no.sh; mkdir -p folder`,
      )
      assert.equal((await runner.run(made)).ending?.exitCode, 0)
      const causeOf = async (program: string): Promise<string> => {
        const { ending } = await runner.run(runner.script('', { cmd: [program] }))
        assert.equal(ending?.cause.code, 'command-not-found', JSON.stringify(ending))
        return `${ending.cause.message} ${ending.cause.hint}`
      }
      assert.match(await causeOf('./win.sh'), /interpreter.*Windows|Windows.*interpreter/)
      assert.match(await causeOf('./no.sh'), /interpreter/)
      assert.match(await causeOf('./folder'), /\.\/folder/)
      await runner.run(runner.script('rm -r win.sh no.sh folder'))
    })

    it('does not mistake a shell whose script names a missing program for a missing program', async () => {
      const { ending } = await runner.run(scripted('no-such-program', [exit(127)]))
      assert.deepEqual([ending?.exitCode, ending?.cause.code], [127, 'exited'])
    })

    it('reports that an image is missing', async () => {
      const { ending, startedAt } = await runner.run(scripted('true', [], { image: tested.missingImage }))
      assert.equal(ending?.cause.code, 'image-not-found')
      assert.equal(ending.exitCode, undefined)
      assert.equal(startedAt, undefined)
    })

    it('fetches a private image with credentials, and with no others', async (context) => {
      const { privateImage } = tested
      if (privateImage === undefined) {
        context.skip('there is no private image here')
        return
      }
      const { image, registryAuth } = privateImage
      const without = await runner.run(scripted('true', [], { image }))
      assert.equal(without.ending?.cause.code, 'image-unauthorized')
      const wrong = await runner.run(scripted('true', [], { image, registryAuth: 'nobody:nothing' }))
      assert.equal(wrong.ending?.cause.code, 'image-unauthorized')
      const spec = scripted('echo in', [write('in\n')], { image, registryAuth })
      const { ending } = await runner.run(spec)
      assert.equal(ending?.exitCode, 0, ending?.cause.message ?? '')
      assert.equal(await runner.log(spec.id), 'in\n')
    })

    it('reports that a job was ended for its memory', async (context) => {
      const { whyNoMemoryLimit } = tested
      if (whyNoMemoryLimit !== undefined) {
        context.skip(whyNoMemoryLimit)
        return
      }
      const spec = scripted(
        'x=$(head -c 400m /dev/zero | tr "\\0" a); echo ${#x}',
        [use({ cores: 1, memoryBytes: 400 * 2 ** 20 }), write('419430400\n')],
        {
          resources: {
            cores: { request: 1, limit: 1 },
            memoryGb: { request: 0.125, limit: 0.125 },
            gpus: 0,
            fixed: true,
          },
        },
      )
      const { ending } = await runner.run(spec)
      assert.deepEqual([ending?.cause.code, ending?.exitCode], ['out-of-memory', 137])
      assert.match(ending?.cause.message ?? '', /0\.125 GiB/)
    })

    it('keeps the own code of a job whose child was killed for memory, and says so', async (context) => {
      const why = tested.whyNoMemoryLimit ?? tested.whyNoContainers
      if (why !== undefined) return context.skip(why)
      const memoryGb = { request: 0.125, limit: 0.125 }
      const spec = runner.script(
        '(x=$(head -c 400m /dev/zero | tr "\\0" a); echo ${#x}); echo "child: $?"; until [ -e coped ]; do sleep 0.1; done; rm coped; exit 3',
        { resources: { cores: { request: 1, limit: 1 }, memoryGb, gpus: 0, fixed: true } },
      )
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'child: 137')
      // Where kills are seen as they happen, there is an event while the job still runs.
      if (tested.whyNoMemoryKillEvents === undefined)
        assert.match(
          (await runner.event(spec.id, 'MemoryKill')).message,
          /^At .* UTC the kernel killed one .* 0\.125 GiB/,
        )
      await runner.run(runner.script('touch coped'))
      const { ending } = await runner.ended(spec.id)
      assert.deepEqual([ending?.exitCode, ending?.cause.code], [3, 'exited'])
      assert.deepEqual([ending?.memoryKills?.count, ending?.memoryKills?.limitGb], [1, 0.125])
      assert.equal(ending?.memoryKills?.firstAt === undefined, tested.whyNoMemoryKillEvents !== undefined)
    })

    it('stops a job that ends on SIGTERM', async () => {
      const spec = scripted('echo up; sleep 600', [write('up\n'), forever])
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'up')
      const asked = now()
      await runner.executor.stop(spec.id, 30)
      await runner.executor.stop(spec.id, 30)
      const { ending } = await runner.ended(spec.id)
      assert.equal(ending?.stopped, true)
      assert.equal(ending.exitCode, 143)
      assert.ok(ending.at - asked < 10_000)
    })

    it('lets a job that handles SIGTERM finish its work', async () => {
      const spec = scripted('trap "echo saved; exit 7" TERM; echo up; while :; do sleep 1; done', () => ({
        command: [write('up\n'), forever],
        onSignal: { TERM: [write('saved\n'), exit(7)] },
      }))
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'up')
      await runner.executor.stop(spec.id, 30)
      const { ending } = await runner.ended(spec.id)
      assert.deepEqual([ending?.stopped, ending?.exitCode], [true, 7])
      assert.match(await runner.log(spec.id), /saved/)
    })

    it('kills a job that ignores SIGTERM, with all its processes', async () => {
      const spec = scripted('trap "" TERM; (while :; do sleep 1; done) & echo up; while :; do sleep 1; done', ignoring)
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'up')
      const asked = now()
      await runner.executor.stop(spec.id, 1)
      const { ending } = await runner.ended(spec.id)
      assert.deepEqual([ending?.stopped, ending?.exitCode], [true, 137])
      assert.ok(
        ending !== undefined && ending.at - asked >= 900 - (tested.instantMs ?? 1) && ending.at - asked < 15_000,
      )
    })

    it('waits during the grace period for all processes, and keeps the exit code of the first', async (context) => {
      const why = tested.whyNoContainers ?? tested.whyFirstAlone
      if (why !== undefined) return context.skip(why)
      // The first process dies of SIGTERM at once. One child of its group and one of a session of its own save their state.
      const saving = (name: string): string =>
        `trap "sleep 0.5; echo ${name} saved; exit 0" TERM; echo ${name} up; while :; do sleep 0.1; done`
      const spec = runner.script(`sh -c '${saving('child')}' & setsid sh -c '${saving('other')}' & wait; echo never`)
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'child up')
      await runner.logHas(spec.id, 'other up')
      await runner.executor.stop(spec.id, 60)
      const { ending } = await runner.ended(spec.id)
      assert.deepEqual([ending?.stopped, ending?.exitCode, ending?.cause.remarks], [true, 143, undefined])
      const log = await runner.log(spec.id)
      for (const name of ['child', 'other']) assert.ok(log.includes(`${name} saved\n`), log)
    })

    it('ends what is left at the end of the grace period, and says so', async (context) => {
      const why = tested.whyNoContainers ?? tested.whyFirstAlone
      if (why !== undefined) return context.skip(why)
      const spec = runner.script('sh -c "trap : TERM; echo up; while :; do sleep 1; done" & wait')
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'up')
      await runner.executor.stop(spec.id, 1)
      const { ending } = await runner.ended(spec.id)
      assert.deepEqual([ending?.stopped, ending?.exitCode], [true, 143])
      assert.match(ending?.cause.remarks?.[0] ?? '', /^\d process.* still running when the grace period was over/)
    })

    it('shortens the grace period of a job that is being stopped', async (context) => {
      if (tested.whyNotShorter !== undefined) {
        context.skip(tested.whyNotShorter)
        return
      }
      const spec = scripted('trap "" TERM; echo up; while :; do sleep 1; done', ignoring)
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'up')
      await runner.executor.stop(spec.id, 600)
      await runner.executor.stop(spec.id, 0)
      assert.equal((await runner.ended(spec.id)).ending?.exitCode, 137)
    })

    it('warns by a signal, which ends nothing', async (context) => {
      const { executor } = runner
      if (executor.signal === undefined) return context.skip('this executor sends no signals')
      const spec = scripted(`trap 'echo warned' USR1; echo ready; while :; do sleep 0.1; done`, () => ({
        command: [write('ready\n'), forever],
        onSignal: { USR1: [write('warned\n')] },
      }))
      await executor.start(spec)
      await runner.logHas(spec.id, 'ready')
      assert.equal(await executor.signal(spec.id, 'USR1'), 'sent')
      await runner.logHas(spec.id, 'warned')
      await executor.stop(spec.id, 0)
      await runner.ended(spec.id)
      assert.equal(await executor.signal(spec.id, 'USR1'), 'not-running')
      assert.equal(await executor.signal('nobody-1', 'USR1'), 'not-running')
    })

    it('warns each process that handles the signal, and none that would die of it', async (context) => {
      const { executor } = runner
      if (executor.signal === undefined) return context.skip('this executor sends no signals')
      if (tested.whyNoContainers !== undefined) return context.skip(tested.whyNoContainers)
      const handler = `trap "echo saved; exit 0" USR1; echo ready; while :; do sleep 0.1; done`
      const spec = runner.script(`sh -c '${handler}'; echo "child: $?"; exit 4`)
      await executor.start(spec)
      await runner.logHas(spec.id, 'ready')
      assert.equal(await executor.signal(spec.id, 'USR2'), 'not-handled')
      assert.equal(await executor.signal(spec.id, 'USR1'), 'sent')
      const { ending } = await runner.ended(spec.id)
      assert.deepEqual([ending?.exitCode, await runner.log(spec.id)], [4, 'ready\nsaved\nchild: 0\n'])
    })

    it('stops a job that has just started', async () => {
      const spec = scripted('sleep 600', [forever])
      await runner.executor.start(spec)
      await runner.executor.stop(spec.id, 30)
      const { ending } = await runner.ended(spec.id)
      assert.equal(ending?.stopped, true)
    })

    it('stops a job whose image is being fetched', async (context) => {
      const { stalledImage } = tested
      if (stalledImage === undefined) {
        context.skip('this executor has no image whose fetch can be held up')
        return
      }
      const spec = scripted('true', [], { image: stalledImage })
      await runner.executor.start(spec)
      assert.equal((await runner.find(spec.id))?.phase, 'preparing')
      await runner.executor.stop(spec.id, 30)
      const { ending } = await runner.ended(spec.id)
      assert.deepEqual([ending?.stopped, ending?.exitCode], [true, undefined])
    })

    it('has nothing of unknown attempts', async () => {
      await runner.executor.stop('nobody-1', 1)
      await runner.executor.forget('nobody-1')
      assert.equal(await runner.executor.usage('nobody-1'), undefined)
      assert.equal(await runner.executor.logSize('nobody-1'), undefined)
      assert.equal(await runner.log('nobody-1'), '')
      assert.equal(await text(runner.executor.followLog('nobody-1', 0, never)), '')
      await runner.executor.deleteLog('nobody-1')
    })

    it('reads ranges of the log', async () => {
      const spec = scripted('printf 0123456789', [write('0123456789')])
      await runner.run(spec)
      assert.equal(await runner.executor.logSize(spec.id), 10)
      assert.equal(await runner.log(spec.id, { start: 3 }), '3456789')
      assert.equal(await runner.log(spec.id, { start: 3, end: 5 }), '34')
      assert.equal(await runner.log(spec.id, { end: 2 }), '01')
      assert.equal(await runner.log(spec.id, { start: 10 }), '')
      assert.equal(await runner.log(spec.id, { start: 8, end: 100 }), '89')
    })

    it('gives the output by the bytes that the attempt wrote', async () => {
      const spec = scripted('printf 0123456789', [write('0123456789')])
      const whole = { start: 3, end: 10, size: 10, lostBytes: 0 }
      assert.equal(await runner.executor.output(spec.id, 0), undefined)
      await runner.run(spec)
      assert.deepEqual(await runner.executor.output(spec.id, 3), whole)
      assert.equal((await runner.executor.output(spec.id, 10))?.start, 10)
      assert.equal(await text(runner.executor.readOutput(spec.id, 3, 5)), '34')
      assert.equal(await text(runner.executor.followOutput(spec.id, 8, never)), '89')
      await runner.executor.forget(spec.id)
      assert.deepEqual(await runner.executor.output(spec.id, 3), whole)
      assert.equal(await text(runner.executor.readOutput(spec.id, 3, 10)), '3456789')
    })

    it('delivers every line to a follower as it is written, and the end', async () => {
      const spec = scripted('echo one; while [ ! -e go ]; do sleep 0.1; done; rm go; echo two', [
        write('one\n'),
        awaitFile('go'),
        remove('go'),
        write('two\n'),
      ])
      const goer = scripted('touch go', [touch('go')])
      await runner.executor.start(spec)
      let seen = ''
      for await (const bytes of runner.executor.followLog(spec.id, 0, never)) {
        const before = seen
        seen += Buffer.from(bytes).toString()
        if (before === '' && seen !== '') await runner.run(goer)
      }
      assert.equal(seen, 'one\ntwo\n')
      assert.equal(await text(runner.executor.followLog(spec.id, 4, never)), 'two\n')
    })

    it('delivers the whole log to a follower that comes after the end', async () => {
      const spec = scripted('echo quick', [write('quick\n')])
      await runner.run(spec)
      assert.equal(await text(runner.executor.followLog(spec.id, 0, never)), 'quick\n')
      await runner.executor.forget(spec.id)
      assert.equal(await text(runner.executor.followLog(spec.id, 0, never)), 'quick\n')
    })

    it('ends a follow when the follower leaves', async () => {
      const spec = scripted('echo up; sleep 600', [write('up\n'), forever])
      await runner.executor.start(spec)
      const leaving = new AbortController()
      let seen = ''
      for await (const bytes of runner.executor.followLog(spec.id, 0, leaving.signal)) {
        seen += Buffer.from(bytes).toString()
        if (seen.includes('up')) leaving.abort()
      }
      assert.equal(seen, 'up\n')
      await runner.executor.stop(spec.id, 0)
      await runner.ended(spec.id)
    })

    it('goes on with a job that closes its output', async () => {
      const spec = scripted('echo before; exec >&- 2>&-; sleep 0.3; touch closed; exit 5', [
        write('before\n'),
        wait(300),
        touch('closed'),
        exit(5),
      ])
      const { ending } = await runner.run(spec)
      assert.equal(ending?.exitCode, 5)
      assert.equal(await runner.log(spec.id), 'before\n')
      assert.equal((await runner.run(scripted('rm closed', [remove('closed')]))).ending?.exitCode, 0)
    })

    it('ends a job with its first process, whatever other processes it leaves', async () => {
      const spec = scripted('(sleep 600; echo late) & echo left', [write('left\n')])
      const { ending } = await runner.run(spec)
      assert.equal(ending?.exitCode, 0)
      if (tested.whyNoContainers === undefined && tested.whyFirstAlone === undefined)
        assert.match(
          ending.cause.remarks?.[0] ?? '',
          /^\d process\w* \(.*sleep.*\) \w+ still running when the command ended/,
        )
      assert.equal(await runner.log(spec.id), 'left\n')
    })

    it('keeps bytes of any kind in the log', async () => {
      const bytes = [0, 255, 128, 97, 13, 10]
      const spec = scripted(`printf '\\000\\377\\200a\\r\\n'`, [write(Uint8Array.from(bytes))])
      await runner.run(spec)
      const chunks: Uint8Array[] = []
      for await (const chunk of runner.executor.readLog(spec.id, {})) chunks.push(chunk)
      assert.deepEqual(
        Array.from(Buffer.concat(chunks)),
        tested.logOfLines === true ? bytes.filter((byte) => byte !== 13) : bytes,
      )
    })

    it('forgets all but the log, and then the log', async () => {
      const spec = scripted('echo kept', [write('kept\n')])
      await runner.run(spec)
      await runner.executor.forget(spec.id)
      await runner.executor.forget(spec.id)
      assert.equal(await runner.find(spec.id), undefined)
      assert.equal(await runner.log(spec.id), 'kept\n')
      assert.equal(await runner.executor.logSize(spec.id), 5)
      await runner.executor.deleteLog(spec.id)
      await runner.executor.deleteLog(spec.id)
      assert.equal(await runner.executor.logSize(spec.id), undefined)
    })

    it('finds running attempts after a restart, and their ends', async () => {
      const running = scripted(
        'echo up; while [ ! -e restarted ]; do sleep 0.1; done; rm restarted; echo down; exit 4',
        [write('up\n'), awaitFile('restarted'), remove('restarted'), write('down\n'), exit(4)],
      )
      const ended = scripted('echo short; exit 6', [write('short\n'), exit(6)])
      await runner.executor.start(running)
      await runner.logHas(running.id, 'up')
      const before = await runner.running(running.id)
      await runner.run(ended)
      runner.executor = await tested.reopen()
      assert.deepEqual((await runner.find(ended.id))?.ending?.exitCode, 6)
      assert.equal(await runner.log(ended.id), 'short\n')
      const after = await runner.find(running.id)
      assert.equal(after?.phase, 'running')
      assert.equal(after.imageDigest, before.imageDigest)
      assert.ok(Math.abs((after.startedAt ?? 0) - (before.startedAt ?? 0)) < 1000)
      await runner.executor.start(running) // a server that is not sure asks again
      const following = text(runner.executor.followLog(running.id, 0, never))
      await runner.run(scripted('touch restarted', [touch('restarted')]))
      assert.equal((await runner.ended(running.id)).ending?.exitCode, 4)
      assert.equal(await following, 'up\ndown\n')
    })

    it('finds the ends of attempts that ended while no server ran', async () => {
      const spec = scripted('echo up; sleep 1; exit 9', [write('up\n'), wait(1000), exit(9)])
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'up')
      runner.executor = await tested.reopen()
      assert.equal((await runner.ended(spec.id)).ending?.exitCode, 9)
    })

    it('stops after a restart what an earlier server started', async () => {
      const spec = scripted('trap "" TERM; echo up; while :; do sleep 1; done', ignoring)
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'up')
      runner.executor = await tested.reopen()
      await runner.executor.stop(spec.id, 1)
      const { ending } = await runner.ended(spec.id)
      assert.deepEqual([ending?.stopped, ending?.exitCode], [true, 137])
    })

    it('looks into /arc, and sees what a job of the account sees', async (context) => {
      const { arc } = runner.executor
      if (arc === undefined) return context.skip('the server does not see /arc')
      const { account } = tested
      const spec = runner.script(
        'mkdir -p look/in; touch look/b.fits look/a.fits; ln -s /etc look/out; chmod 0 look/in',
      )
      assert.equal((await runner.run(spec)).ending?.exitCode, 0)
      const folder = `/arc/home/${account.name}/look`
      const { files } = await arc.glob(account, `${folder}/*`)
      assert.deepEqual(
        files.map(({ path, type }) => [path, type]),
        [
          [`${folder}/a.fits`, 'file'],
          [`${folder}/b.fits`, 'file'],
          [`${folder}/in`, 'closed-folder'],
          [`${folder}/out`, 'broken-link'],
        ],
      )
      const [missing] = await arc.stat(account, ['/etc/passwd'])
      assert.deepEqual(missing, { path: '/etc/passwd', type: 'unseen', error: 'ENOENT' })
      assert.equal((await runner.run(runner.script('chmod 700 look/in; rm -r look'))).ending?.exitCode, 0)
    })

    describeEnvironment(() => ({ tested, runner }))
    describeWorkingDirectory(() => ({ tested, runner }))

    it('reports the usage of a job', async (context) => {
      const { whyNoUsage, usageAfterSeconds = 5 } = tested
      if (whyNoUsage !== undefined) return context.skip(whyNoUsage)
      const spec = scripted('i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo busy; sleep 600', [
        use({ cores: 1, memoryBytes: 2 ** 20 }),
        wait(500),
        use({ memoryBytes: 2 ** 20 }),
        write('busy\n'),
        forever,
      ])
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'busy')
      const { cpuSeconds, memoryBytes } = await runner.usage(spec.id, usageAfterSeconds)
      assert.ok(cpuSeconds < 60, String(cpuSeconds))
      // A shell, and what counts as its container's beside it.
      assert.ok(memoryBytes >= 2 ** 14 && memoryBytes < 2 ** 28, String(memoryBytes))
      await runner.executor.stop(spec.id, 0)
      const { ending } = await runner.ended(spec.id)
      assert.equal(await runner.executor.usage(spec.id), undefined)
      assert.ok((ending?.usage?.cpuSeconds ?? 0) >= cpuSeconds)
      assert.ok((ending?.usage?.memoryPeakBytes ?? 0) >= memoryBytes)
      assert.equal(ending?.usage?.memoryBytes, undefined, 'it uses none now')
    })
  })
}
