import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { onKubernetes, Platform, testImage } from '../support/platform.ts'
import { clientEnvironment, clientsHere, PublishedClient, type Ending } from './published-client.ts'
import { promisedCalls } from './wire-page.ts'

/** The expected exit code and output of a command. Output for people begins with a line that names the server. */
interface Expected {
  readonly code?: number
  readonly stdout?: RegExp | string
  readonly stderr?: RegExp | string
}

function assertEnding(what: string, ending: Ending, { code = 0, stdout = '@canfar\n', stderr = '' }: Expected): void {
  const all = `${what}\n${ending.stdout}\n${ending.stderr}`
  assert.equal(ending.code, code, all)
  for (const [stream, wanted] of Object.entries({ stdout, stderr }) as ['stdout' | 'stderr', RegExp | string][]) {
    if (typeof wanted === 'string') assert.equal(ending[stream], wanted, all)
    else assert.match(ending[stream], wanted, all)
  }
}

/** The commands in the panels of `--help` about sessions, the platform and its images. */
function sessionCommands(help: string): string[] {
  const panels = help.split('╭─ ').slice(1)
  return panels
    .filter((panel) => /^(Session Management|Cluster Information|Image Management|Aliases)/.test(panel))
    .flatMap((panel) =>
      [...panel.matchAll(/^│ ([a-z]+(?: \| [a-z]+)*) {2,}/gm)].flatMap(([, names]) => names?.split(' | ') ?? []),
    )
}

// Both clients run at once, because a command needs half a second of one core to start. The steps of one client run in sequence,
// because each step finds the sessions of the steps before.
describe('the session commands of the published clients', { concurrency: 2 }, () => {
  for (const name of (['canfar-1.5.2', 'canfar-1.4.1'] as const).filter((one) => clientsHere.includes(one)))
    describe(name, { concurrency: 1 }, () => {
      const isNew = name === 'canfar-1.5.2'
      // The older client writes errors, with the text of the server, to stdout.
      const complaint = (words: RegExp): Expected => (isNew ? { stderr: words } : { stdout: words })
      const used = new Set<string>()
      let platform: Platform
      let client: PublishedClient
      let environment: NodeJS.ProcessEnv
      let sleeper = ''

      before(async () => {
        platform = await Platform.make('capacity: {cores: 4, memoryGb: 8}\n')
        await platform.start()
        client = await PublishedClient.install(name)
        environment = await clientEnvironment(platform, name)
      })
      after(() => platform[Symbol.asyncDispose]())

      async function canfar(args: readonly string[], expected: Expected): Promise<Ending> {
        used.add(args[0] ?? '')
        const ending = await client.canfar(args, environment)
        assertEnding(`canfar ${args.join(' ')}`, ending, expected)
        return ending
      }
      const create = async (args: readonly string[]): Promise<string> => {
        const { stdout } = await canfar(['create', ...args], {
          stdout: /^@canfar\nSuccessfully created session '[a-z-]+' \(ID: [a-z][a-z0-9]{7}\)\n$/,
        })
        return /ID: (\w+)/.exec(stdout)?.[1] ?? ''
      }

      it('create runs a command with its environment, and logs prints its output', async () => {
        const options = ['-n', 'talker', '-c', '1', '-m', '1', '-e', 'EQUALS=b=c d', '-e', 'EMPTY=']
        const id = await create(['headless', testImage, ...options, '--', 'env'])
        const job = await platform.ended(id)
        assert.deepEqual([job.state, job.name, job.exitCode], ['succeeded', 'talker', 0])
        const { stdout } = await canfar(['logs', id], {
          stdout: new RegExp(`^@canfar\n\n Logs for session ${id} \n\n`),
        })
        for (const line of ['EQUALS=b=c d', 'EMPTY=', 'REPLICA_ID=1', 'REPLICA_COUNT=1', `skaha_sessionid=${id}`])
          assert.ok(stdout.split('\n').includes(line), stdout)
      })

      it('create submits replicas, and reports that a wrong request created no session', async () => {
        const { stdout } = await canfar(['create', 'headless', testImage, '-n', 'many', '-r', '3', '--', 'true'], {
          stdout: /^@canfar\nSuccessfully created 3 sessions named 'many':\n( {2}- [a-z][a-z0-9]{7}\n){3}$/,
        })
        const ids = [...stdout.matchAll(/- (\w+)/g)].map(([, id = '']) => id)
        const ended = await Promise.all(ids.map((id) => platform.ended(id)))
        assert.deepEqual(ended.map((job) => job.name).sort(), ['many-1', 'many-2', 'many-3'])
        const wrong = ['create', 'headless', 'images.example.org/a/b:1', '--', 'true']
        await canfar(wrong, { code: 1, ...complaint(/Failed to create session\(s\)\./) })
        const none = isNew
          ? { code: 2, stdout: '', stderr: /Invalid value for/ }
          : { code: 1, stdout: /should be greater than or equal to 1/ }
        await canfar(['create', 'headless', testImage, '-r', '0'], none)
        await canfar(['create', 'headless', testImage, '--dry-run', '--', 'true'], {
          stdout: /^@canfar\n[^]*Command: true\n[^]*Dry run complete\.\n$/,
        })
      })

      it('ps lists waiting and running sessions, and with -a ended ones', async () => {
        sleeper = await create(['headless', testImage, '-n', 'sleeper', '-c', '1', '-m', '1', '--', 'sleep', '600'])
        await platform.becomes(sleeper, 'running')
        const row = (id: string, called: string, status: string): RegExp =>
          new RegExp(`\n +${id} +${called} +headless +${status} +${testImage} +[a-z0-9 ]+\n`)
        await canfar(['ps'], { stdout: row(sleeper, 'sleeper', 'Running') })
        await canfar(['ps', '-q'], { stdout: `@canfar\n${sleeper}\n` })
        const { stdout } = await canfar(['ps', '-a'], { stdout: row('\\w{8}', 'talker', 'Completed') })
        assert.match(stdout, row('\\w{8}', 'many-3', 'Completed'))
        await canfar(['ps', '-a', '-k', 'headless', '-s', 'Running', '-q'], { stdout: `@canfar\n${sleeper}\n` })
        await canfar(['ps', '-a', '-k', 'notebook', '-q'], {})
      })

      if (isNew)
        it('create and ps write JSON and YAML for programs', async () => {
          const bare = (args: readonly string[], stdout: RegExp): Promise<Ending> => canfar(args, { stdout })
          const create = ['create', 'headless', testImage, '-n', 'program', '-o', 'json', '--', 'true']
          const [id = ''] = JSON.parse((await bare(create, /^\[\n {2}"\w{8}"\n\]\n$/)).stdout) as string[]
          await platform.ended(id)
          const { stdout } = await bare(['ps', '-a', '-o', 'json'], /^\[/)
          const found = (JSON.parse(stdout) as { id: string; status: string; startTime: string }[]).find(
            (one) => one.id === id,
          )
          assert.equal(found?.status, 'Completed')
          assert.match(found.startTime, /Z$/)
          await bare(['ps', '-a', '-o', 'yaml'], new RegExp(`^- id: [^]*\n- id: ${id}\n|^- id: ${id}\n`))
          await canfar(['ps', '-q', '-o', 'json'], { code: 2, stdout: '', stderr: /Incompatible flags/ })
          await canfar(['create', 'headless', 'images.example.org/a/b:1', '-o', 'json', '--', 'true'], {
            code: 1,
            stdout: '',
            stderr: /"code": "transport\.failure"/,
          })
        })

      it('info and events describe a session, and report a missing one', async () => {
        const { stdout } = await canfar(['info', sleeper], { stdout: new RegExp(`CANFAR Session Info for ${sleeper}`) })
        for (const [title, value] of [
          ['Session ID', sleeper],
          ['Name', 'sleeper'],
          ['Status', 'Running'],
          ['Type', 'headless'],
          ['Image', testImage],
          ['User ID', 'ada'],
          ['Start Time', '.+ (ago|now)|now'],
          ['Expiry Time', '1[34] days.*'],
          ['CPU Usage', '\\d+% of 1 core\\(s\\)'],
          ['RAM Usage', '\\d+% of 1.07 GB'],
          ['GPU Usage', 'Not Requested'],
        ] as const)
          assert.match(stdout, new RegExp(`^ +${title} +(${value}) *$`, 'm'))
        const events = await canfar(['events', sleeper], { stdout: new RegExp(`Server events for ${sleeper}`) })
        assert.match(events.stdout, /^ +Normal +Queued +Accepted; waiting for its turn\. +\S+Z +\S+Z +$/m)
        assert.match(events.stdout, /^ +Normal +Started +Its command runs on \S+\. +\S+Z +\S+Z +$/m)
        for (const command of ['info', 'events', 'logs'])
          await canfar([command, 'zzzzzzzz'], complaint(/found for the specified session\(s\)/))
      })

      it('stats shows the load of the platform', async () => {
        const { stdout } = await canfar(['stats'], { stdout: /CANFAR Platform Load/ })
        assert.match(stdout, /Usage │ \d+ +Usage │ [\d.]+G/)
        // On a cluster the capacity is that of its nodes.
        const { cores, memoryGb } = onKubernetes ? (await platform.jobs().queue()).capacity : { cores: 4, memoryGb: 8 }
        const gigabytes = Number(((memoryGb * 2 ** 30) / 1e9).toFixed(3))
        assert.match(stdout, new RegExp(`Total │ ${cores} +Total │ ${gigabytes}G`))
      })

      it('image ls lists the images', async () => {
        const { stdout } = await canfar(['image', 'ls'], { stdout: /CANFAR Registry Server: localhost/ })
        assert.match(stdout, /^ +test\/busybox:1 +[0-9a-f]{12} +headless +$/m)
        await canfar(['image', 'ls', '-k', 'notebook'], complaint(/^No images found\.$/m))
      })

      it('open reports that a headless session has no page', async () => {
        await canfar(['open', sleeper], complaint(new RegExp(`^No connectURL found for session ${sleeper}\\.$`, 'm')))
      })

      if (isNew)
        it('renew restarts the time limit of a running session, and fails for a missing one', async () => {
          await canfar(['renew', sleeper], { stdout: '@canfar\nSuccessfully renewed 1 session(s).\n' })
          await canfar(['renew', 'zzzzzzzz'], { stderr: /Failed to renew 1 session\(s\): zzzzzzzz/ })
        })

      it('delete ends a session, after asking', async () => {
        const asked = await client.canfar(['delete', sleeper], environment, 'n\n')
        assert.equal((await platform.jobs().get(sleeper)).state, 'running', asked.stdout)
        await canfar(['delete', sleeper], { code: 1, stdout: /Confirm deletion of 1 session\(s\)\?/, stderr: /Abort/ })
        await canfar(['delete', '-f', sleeper], {
          stdout: `@canfar\nSuccessfully deleted {'${sleeper}': True} session(s).\n`,
        })
        assert.equal((await platform.ended(sleeper)).state, 'cancelled')
      })

      it('prune deletes ended sessions by name', async () => {
        await canfar(['prune', 'many'], { stdout: / Deleted 3 sessions\.\n$/ })
        await canfar(['prune', 'many'], { stdout: / Deleted 0 sessions\.\n$/ })
        await canfar(['prune', '.*', 'headless', 'Completed'], { stdout: / Deleted [1-9] sessions\.\n$/ })
        await canfar(['ps', '-a', '-q'], {})
      })

      if (!isNew)
        it('run, launch and del are create and delete by other names', async () => {
          for (const alias of ['run', 'launch']) {
            const { stdout } = await canfar([alias, 'headless', testImage, '-n', alias, '--', 'true'], {
              stdout: /Successfully created session/,
            })
            const id = /ID: (\w+)/.exec(stdout)?.[1] ?? ''
            await platform.ended(id)
            await canfar(['del', '-f', id], { stdout: new RegExp(`Successfully deleted {'${id}': True} session`) })
          }
        })

      it('a refused token is a failure with that reason', async () => {
        const wrong = { ...environment, CANFAR_TOKEN: `${platform.token}x` }
        const ps = await client.canfar(['ps'], wrong)
        assert.equal(ps.code, 1, ps.stdout)
        const verbose = await client.canfar(isNew ? ['-vv', 'ps'] : ['ps', '--debug'], wrong)
        assert.match(verbose.stdout + verbose.stderr, /401/)
        // The exit code differs by command: where a client reports the refusal itself, it exits with 0.
        const codes: Record<string, number> = {
          'info zzzzzzzz': 0,
          'logs zzzzzzzz': 0,
          'events zzzzzzzz': 0,
          'open zzzzzzzz': 0,
          'delete -f zzzzzzzz': 0,
          ...(isNew ? { 'renew zzzzzzzz': 0 } : {}),
          [`create headless ${testImage} -- true`]: 1,
          stats: 1,
          'prune x': 1,
          'image ls': 1,
        }
        for (const [line, code] of Object.entries(codes)) {
          const ending = await client.canfar(line.split(' '), wrong)
          assert.equal(ending.code, code, `canfar ${line}\n${ending.stdout}\n${ending.stderr}`)
        }
        assert.deepEqual((await platform.jobs().list({ state: 'queued,starting,running' })).jobs, [])
      })

      it('and there is no other', async () => {
        const commands = sessionCommands((await client.canfar(['--help'], environment)).stdout)
        assert.ok(
          commands.includes('create') && commands.includes('stats') && commands.includes('image'),
          commands.join(),
        )
        assert.deepEqual(
          commands.filter((command) => !used.has(command)),
          [],
        )
        const promised = [...promisedCalls('Command line', name)].filter(([, what]) => what.startsWith('yes'))
        assert.deepEqual(
          commands.toSorted(),
          promised.map(([command]) => command).sort(),
          'docs/wire.md tells of them all',
        )
      })
    })
})
