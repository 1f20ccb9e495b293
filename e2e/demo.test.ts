import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chown, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { onlyInAll } from './support/all.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('..', import.meta.url))

/** An unprivileged user that every Debian has. */
const nobody = 65_534

/** The output of a successful demo. */
function assertCatalogues(output: string): void {
  assert.match(output, /28 sources, the same catalogue that source-extractor writes when run by hand/)
  assert.match(output, /943 sources, the same catalogue that source-extractor writes when run by hand/)
  assert.equal(output.match(/^ +extract-[12] +succeeded +0 /gm)?.length, 2)
  // Everything but long paths fits a terminal.
  const long = output.split('\n').filter((line) => line.length > 80 && !line.includes('science-platform-demo/'))
  assert.deepEqual(long, [])
}

test('the demo shows the catalogues of two frames, and finds its image the second time', async () => {
  const demo = () => run(join(repository, 'scripts/run'), ['demo'])
  assertCatalogues((await demo()).stdout)
  const { stdout } = await demo()
  assertCatalogues(stdout)
  assert.doesNotMatch(stdout, /building it|loading it/)
})

test(
  'the demo runs as an ordinary user',
  { skip: process.getuid?.() === 0 ? onlyInAll : 'the test above has run it as an ordinary user' },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sp-demo-'))
    after(() => rm(folder, { recursive: true, force: true }))
    await chown(folder, nobody, nobody)
    const asNobody = (program: string, ...args: string[]) =>
      run('setpriv', ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups', program, ...args], {
        env: { ...process.env, HOME: folder, XDG_CACHE_HOME: join(folder, 'cache') },
        cwd: folder,
      })
    // Other users cannot access a checkout in the home of root, so they get a copy.
    const reached = await asNobody('test', '-r', join(repository, 'package.json')).then(
      () => repository,
      async () => {
        await cp(repository, join(folder, 'checkout'), { recursive: true, verbatimSymlinks: true, filter: isNeeded })
        return join(folder, 'checkout')
      },
    )
    const { stdout } = await asNobody(join(reached, 'scripts/run'), 'demo')
    assertCatalogues(stdout)
    assert.match(stdout, /jobs are not held to their memory|memory +asked/)
  },
)

/** Whether the copy includes a path: all but the git history and the data of root's demo. */
const isNeeded = (path: string): boolean => !/\/\.git$|\/\.demo\/data$/.test(path)
