import assert from 'node:assert/strict'
import { chownSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { AttemptRunner } from '../executor-contract.ts'
import { busyboxReference } from './testing/busybox-root.ts'
import { ada, OciUnderTest, whyNotAsRoot } from './testing/oci-under-test.ts'

describe('homes that operators made', { skip: whyNotAsRoot() ?? false }, () => {
  let tested: OciUnderTest
  const events: string[] = []

  before(async () => {
    tested = await OciUnderTest.open()
    tested.executor.onEvent(({ reason, message }) => events.push(`${reason}: ${message}`))
  })
  after(() => tested.close())

  const runAs = async (name: string, script: string) => {
    const runner = new AttemptRunner(tested.executor, { image: busyboxReference, account: { ...ada, name } }, name)
    const spec = runner.script(script)
    const { ending } = await runner.run(spec)
    return { ending, log: await runner.log(spec.id) }
  }
  const home = (name: string): string => join(tested.dataDir, 'arc', 'home', name)

  it('may be elsewhere: a symbolic link is followed', async () => {
    const elsewhere = join(tested.folder, 'elsewhere')
    mkdirSync(elsewhere)
    chownSync(elsewhere, ada.uid, ada.gid)
    symlinkSync(elsewhere, home('linked'))
    const { log } = await runAs('linked', 'pwd; echo mine > file; cat /arc/home/linked/file')
    assert.equal(log, '/arc/home/linked\nmine\n')
  })

  it('are named where they cannot be one', async () => {
    symlinkSync('/nowhere', home('dangling'))
    const { ending } = await runAs('dangling', 'true')
    assert.match(ending?.cause.message ?? '', /home\/dangling, a symbolic link to \/nowhere, leads nowhere: create/)
  })

  it('of another user are told to the owner of the job', async () => {
    mkdirSync(home('foreign'), { mode: 0o700 })
    await runAs('foreign', 'true')
    assert.match(
      events.join('\n'),
      /HomeOfAnother: Your home \/arc\/home\/foreign belongs to the user id 0, not to yours/,
    )
  })
})
