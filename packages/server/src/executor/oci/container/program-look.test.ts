import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { notRunnable } from '../../causes.ts'
import { lookAtProgram, type ImageFacts } from './program-look.ts'
import { requireReference } from '../../../job/image-reference.ts'

const account = { name: 'ada', uid: 52_001, gid: 52_001, groups: [] }
const runner = { image: requireReference('localhost/a:1'), account }

describe('a program that could not be run', () => {
  let folder: string
  let image: ImageFacts
  const at = (...path: string[]): string => join(folder, ...path)
  const look = (program: string, changes: Partial<ImageFacts> = {}, cmd?: readonly string[]) =>
    lookAtProgram(
      program,
      { account, ...(cmd === undefined ? {} : { cmd }) },
      { ...image, ...changes },
      {
        homeFolder: at('home'),
        projectsFolder: at('projects'),
        ids: { uid: account.uid, gid: account.gid, additionalGids: [] },
      },
    )

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'program-'))
    for (const path of ['home/bin', 'projects', 'root/app', 'root/usr/bin', 'root/private/env/bin', 'secret'])
      await mkdir(at(path), { recursive: true, mode: 0o755 })
    image = { rootfs: at('root'), entrypoint: [], workingDir: '', path: '/usr/bin' }
    await writeFile(at('home/win.sh'), '#!/bin/sh\r\necho\r\n')
    await writeFile(at('home/data'), 'no script\n')
    await writeFile(at('root/app/run.sh'), '#!/bin/bash -e\n', { mode: 0o755 })
    await writeFile(at('root/private/env/bin/python'), '', { mode: 0o755 })
    await writeFile(at('secret/script'), '#!/secret\n')
    await symlink('/app', at('root/link'))
    await symlink(at('secret/script'), at('home/out'))
    await symlink(at('secret'), at('home/away'))
    await symlink('loop', at('home/loop'))
    await chmod(at('root/private'), 0o700)
  })
  after(() => rm(folder, { recursive: true }))

  it('is a script, whose first line is read', async () => {
    assert.deepEqual(await look('./win.sh'), { firstLine: '#!/bin/sh\r' })
    assert.deepEqual(await look('/arc/home/ada/win.sh'), { firstLine: '#!/bin/sh\r' })
    assert.deepEqual(await look('/link/run.sh'), { firstLine: '#!/bin/bash -e' })
    assert.deepEqual(await look('./data'), {})
  })

  it('is never read outside the folders of the job', async () => {
    // In the container these links lead into the image, where there is no such file.
    for (const program of ['./out', './away/script', './loop', '/../secret/script'])
      assert.deepEqual(await look(program), {})
  })

  it('is a folder, or in a folder that its user may not enter', async () => {
    assert.deepEqual(await look('./bin'), { isFolder: true })
    assert.deepEqual(await look('/private/env/bin/python'), { closedFolder: '/private' })
    assert.deepEqual(await look('python', { path: '/usr/bin:/private/env/bin' }), { closedFolder: '/private' })
    assert.deepEqual(await look('python'), {})
  })

  it('is in the folder of the image, and jobs begin at home', async () => {
    assert.deepEqual(await look('./run.sh', { workingDir: '/app' }), { imageFolder: '/app' })
    assert.deepEqual(await look('./other.sh', { workingDir: '/app' }), {})
  })

  it('may have needed the entry point, which the command replaced', async () => {
    const entrypoint = ['/opt/activate']
    assert.deepEqual(await look('python', { entrypoint }, ['python', 'x.py']), { entryPoint: entrypoint })
    assert.deepEqual(await look('python', { entrypoint }), {}, 'it is the entry point')
  })
})

describe('the cause of a program that could not be run', () => {
  const cause = (...parts: [string, string, Parameters<typeof notRunnable>[3]?]) => {
    const { code, message, hint = '' } = notRunnable(parts[0], parts[1], runner, parts[2])
    assert.equal(code, 'command-not-found')
    return `${message} ${hint}`
  }
  const missing = 'no such file or directory'

  it('names the interpreter of the first line, and line ends of Windows', () => {
    assert.match(
      cause('./a.sh', missing, { isThere: true, firstLine: '#!/bin/sh\r' }),
      /Windows \(CRLF\).*"\/bin\/sh\\r".*sed -i 's\/\\r\$\/\/' a\.sh/,
    )
    assert.match(
      cause('./a.py', missing, { isThere: true, firstLine: '#! /opt/python9 -u' }),
      /no interpreter \/opt\/python9, .*python3 \.\/a\.py/,
    )
    assert.match(cause('./a', missing, { isThere: true }), /^\.\/a is there, but the interpreter .* od -c/)
  })

  it('says where jobs begin', () => {
    const text = cause('./run.sh', missing, { imageFolder: '/app' })
    assert.match(
      text,
      /no program \.\/run\.sh in \/arc\/home\/ada, where jobs begin; .*WORKDIR\) is \/app\. .*: \/app\/run\.sh$/,
    )
    assert.match(cause('./x', missing), /^There is no program \.\/x in \/arc\/home\/ada/)
    assert.match(cause('x', missing), /^The image localhost\/a:1 has no program x\./)
  })

  it('names folders, and the entry point that was not run', () => {
    assert.match(cause('./d', 'permission denied', { isFolder: true }), /^\.\/d is a folder/)
    assert.match(
      cause('python', 'executable file not found in $PATH', { closedFolder: '/root' }),
      /may not enter the folder \/root, where python is/,
    )
    assert.match(
      cause('python', 'not found', { entryPoint: ['/opt/activate', '-q'] }),
      /entry point \(\/opt\/activate -q\) is not run.*--args/,
    )
    assert.match(cause('python', 'permission denied'), /chmod a\+x python/)
    assert.doesNotMatch(cause('python', 'permission denied'), /python python/)
  })
})
