import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { cannotEnter } from './causes.ts'
import type { AttemptRunner } from './attempt-runner.ts'
import type { Observed } from './executor.ts'
import type { ExecutorUnderTest } from './executor-under-test.ts'

/** Where a job with a working directory starts, and how it ends where it cannot. Part of the contract of every executor. */
export function describeWorkingDirectory(under: () => { tested: ExecutorUnderTest; runner: AttemptRunner }): void {
  describe('the working directory', () => {
    const home = (): string => `/arc/home/${under().tested.account.name}`

    /** Runs a script, or another command, in a folder. */
    async function runIn(
      workingDirectory: string,
      script: string,
      cmd?: readonly string[],
    ): Promise<{ attempt: Observed; log: string }> {
      const { tested, runner } = under()
      const spec = runner.script(script, {
        workingDirectory,
        env: { HOME: home(), PWD: workingDirectory, 'a.b': 'dots' },
        ...(cmd === undefined ? {} : { cmd }),
      })
      tested.rehearse?.(spec.id, () => ({
        command: [],
        failure: cannotEnter({ verb: 'enter', folder: workingDirectory, reason: 'no such file or directory' }, spec),
      }))
      const attempt = await runner.run(spec)
      return { attempt, log: await runner.log(spec.id) }
    }

    async function outputIn(workingDirectory: string, script: string, cmd?: readonly string[]): Promise<string> {
      const { attempt, log } = await runIn(workingDirectory, script, cmd)
      assert.equal(attempt.ending?.exitCode, 0, `${JSON.stringify(attempt.ending)} ${log}`)
      return log
    }

    /** The words of a job that did not start. */
    async function failureIn(workingDirectory: string): Promise<string> {
      const { attempt } = await runIn(workingDirectory, 'echo ran; touch ran')
      assert.equal(attempt.ending?.cause.code, 'start-failed', JSON.stringify(attempt.ending))
      assert.equal(attempt.ending.exitCode, undefined)
      assert.ok(attempt.ending.cause.hint)
      assert.ok(attempt.ending.cause.message.startsWith(`The working directory ${workingDirectory} could not be `))
      return attempt.ending.cause.message
    }

    async function prepare(script: string): Promise<void> {
      const { runner } = under()
      const spec = runner.script(script)
      const { ending } = await runner.run(spec)
      assert.equal(ending?.exitCode, 0, await runner.log(spec.id))
    }

    const skips = (context: TestContext): boolean => {
      const { whyNoContainers } = under().tested
      if (whyNoContainers !== undefined) context.skip(whyNoContainers)
      return whyNoContainers !== undefined
    }

    it('does not start a job in a folder that does not exist, and names it', async (context) => {
      const missing = `${home()}/no/such`
      const message = await failureIn(missing)
      assert.match(message, /there is no folder \/arc\/home\/.*\/no/)
      if (skips(context)) return
      await prepare(`test ! -e ${home()}/no`)
    })

    it('starts a job in it, with PWD, and with relative programs', async (context) => {
      if (skips(context)) return
      const folder = `${home()}/in here/é`
      await prepare(`mkdir -p "${folder}"; printf '#!/bin/sh\\npwd\\n' > "${folder}/run"; chmod +x "${folder}/run"`)
      const variables = (await outputIn(folder, '', ['cat', '/proc/self/environ'])).split('\0')
      assert.deepEqual(variables.filter((line) => /^(PWD|OLDPWD|HOME)=/.test(line)).sort(), [
        `HOME=${home()}`,
        `PWD=${folder}`,
      ])
      assert.equal(await outputIn(folder, 'pwd -P'), `${folder}\n`)
      assert.equal(await outputIn(folder, '', ['./run']), `${folder}\n`)
      await prepare(`rm -r "${home()}/in here"`)
    })

    it('passes every variable and argument on as they are', async (context) => {
      if (skips(context)) return
      assert.ok((await outputIn('/', '', ['cat', '/proc/self/environ'])).split('\0').includes('a.b=dots'))
      assert.equal(await outputIn('/', '', ['printf', '%s|', ' a  b', '', '$HOME "\'']), ' a  b||$HOME "\'|')
    })

    it('creates it below /scratch, as the user', async (context) => {
      if (skips(context)) return
      const found = await outputIn('/scratch/a/b', 'pwd; touch c; test -O . && test -O .. && echo own')
      assert.equal(found, '/scratch/a/b\nown\n')
      assert.equal(await outputIn('/scratch', 'pwd'), '/scratch\n')
    })

    it('may be a folder of the image, and none of the machine', async (context) => {
      if (skips(context)) return
      assert.equal(await outputIn('/bin', 'pwd'), '/bin\n')
      assert.match(await failureIn('/no-such'), /there is no folder \/no-such/)
    })

    it('resolves links inside the container', async (context) => {
      if (skips(context)) return
      await prepare('ln -s ../../../../../../.. up; ln -s /scratch away; ln -s nowhere dangling; ln -s ring ring')
      assert.equal(await outputIn(`${home()}/up`, 'pwd -P; test -e /dev/enter && echo here'), '/\nhere\n')
      assert.equal(await outputIn(`${home()}/up/scratch`, 'pwd -P'), '/scratch\n')
      assert.equal(await outputIn(`${home()}/away`, 'pwd -P; echo $PWD'), `/scratch\n${home()}/away\n`)
      assert.match(await failureIn(`${home()}/away/new`), /there is no folder/)
      assert.match(await failureIn(`${home()}/dangling`), /there is no folder/)
      assert.match(await failureIn(`${home()}/ring`), /too many levels of symbolic links/)
      await prepare('rm up away dangling ring')
    })

    it('does not start a job in a file, or in a folder that the user may not enter', async (context) => {
      if (skips(context)) return
      await prepare('touch file; mkdir -p closed/open; chmod 0 closed')
      assert.match(await failureIn(`${home()}/file`), /file is a file, not a folder/)
      assert.match(await failureIn(`${home()}/closed`), /may not enter .*\/closed\.$/)
      // As root the folder inside would be reached.
      assert.match(await failureIn(`${home()}/closed/open`), /may not enter .*\/closed\.$/)
      await prepare('chmod 700 closed; rm -r closed file; test ! -e ran')
    })

    it('reports a missing program as without it', async (context) => {
      if (skips(context)) return
      for (const program of ['no-such-program', './no-such-program']) {
        const { attempt } = await runIn('/scratch/work', '', [program])
        assert.equal(attempt.ending?.cause.code, 'command-not-found', JSON.stringify(attempt.ending))
        assert.match(attempt.ending.cause.message, /no-such-program/)
      }
      const { attempt } = await runIn('/scratch', 'exit 125')
      assert.deepEqual([attempt.ending?.exitCode, attempt.ending?.cause.code], [125, 'exited'])
    })

    it('obeys signals as without it', async (context) => {
      if (skips(context)) return
      const { runner } = under()
      const spec = runner.script('trap "echo saved; exit 7" TERM; echo up; while :; do sleep 0.1; done', {
        workingDirectory: '/scratch/x',
      })
      await runner.executor.start(spec)
      await runner.logHas(spec.id, 'up')
      await runner.executor.stop(spec.id, 60)
      const { ending } = await runner.ended(spec.id)
      assert.deepEqual([ending?.stopped, ending?.exitCode], [true, 7])
    })
  })
}
