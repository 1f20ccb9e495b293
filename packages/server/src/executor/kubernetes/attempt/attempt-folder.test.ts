import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { AttemptFolders } from './attempt-folder.ts'

describe('the one run of an attempt', () => {
  let dataDir: string
  let folders: AttemptFolders
  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'attempt-folders-'))
    folders = new AttemptFolders(dataDir)
    await folders.open()
  })
  after(() => rm(dataDir, { recursive: true }))

  it('is granted to the first pod, for good', async () => {
    assert.equal(await folders.grantRun('a-1', 'first'), true)
    assert.equal(await folders.grantRun('a-1', 'second'), false)
    assert.equal(await folders.grantRun('a-1', 'first'), true)
  })

  it('is not granted where a killed server left an empty file', async () => {
    await folders.noteCreated('b-1', 'job')
    await writeFile(join(folders.of('b-1'), 'opened'), '')
    assert.equal(await folders.grantRun('b-1', 'first'), true)
    assert.equal(await folders.grantRun('b-1', 'second'), false)
  })
})
