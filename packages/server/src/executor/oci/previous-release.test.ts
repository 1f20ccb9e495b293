import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, watch } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { printReference } from '../../job/image-reference.ts'
import { AttemptRunner } from '../executor-contract.ts'
import type { AttemptSpec } from '../executor.ts'
import { ociConfig } from './container/bundle.ts'
import { cgroupFolders, procsFile, usageFiles } from './container/cgroups.ts'
import { readMachine } from './container/machine.ts'
import { foldersOf } from './attempt/folders.ts'
import { busyboxReference, fixedImages } from './testing/busybox-root.ts'
import { ada, OciUnderTest, whyNotAsRoot } from './testing/oci-under-test.ts'

/** The supervisor of the release before, as it was. */
const previousSupervisor = fileURLToPath(new URL('testing/previous-release/supervise.pl', import.meta.url))

describe('attempts of the release before', { skip: whyNotAsRoot() ?? false }, () => {
  let tested: OciUnderTest
  let runner: AttemptRunner
  const supervisors: ChildProcess[] = []

  before(async () => {
    tested = await OciUnderTest.open()
    runner = new AttemptRunner(tested.executor, { image: busyboxReference, account: ada }, 'previous')
  })
  after(async () => {
    for (const supervisor of supervisors) supervisor.kill('SIGKILL')
    await tested.close()
  })

  /** Writes the files that the server of that release wrote: all of them itself, and no input for the supervisor. */
  async function writeFolder(spec: AttemptSpec): Promise<string> {
    const machine = await readMachine(tested.instance)
    const image = await fixedImages(tested.rootfs).prepare(spec.image, { signal: new AbortController().signal })
    const folders = foldersOf(tested.dataDir)
    const folder = tested.attemptFolder(spec.id)
    const scratchFolder = join(folders.scratch, spec.id)
    const homeFolder = join(folders.homes, ada.name)
    for (const path of [folder, scratchFolder, homeFolder, folders.names]) await mkdir(path, { recursive: true })
    const shared = join(folders.names, 'shared')
    await writeFile(shared, 'root:x:0:0:root:/root:/bin/sh\n')
    const etc = { passwd: shared, group: shared, hosts: shared, 'resolv.conf': shared }
    const { rootfs, projects: projectsFolder } = folders
    const placement = {
      rootfs,
      homeFolder,
      projectsFolder,
      scratchFolder,
      etc,
      pidsLimit: 100,
      umask: 0o022,
      programs32Bit: false,
    }
    const config = ociConfig(spec, image, { ...placement, network: { type: 'none' } }, machine)
    await writeFile(join(folder, 'config.json'), JSON.stringify(config))
    const plan = [
      `id ${spec.id}`,
      `arch ${machine.architecture}`,
      `boot ${machine.bootId}`,
      'runtime runc',
      'rootless 0',
      `lenient ${machine.cgroups.parent === undefined ? 1 : 0}`,
      `ownRoot ${machine.ownRoot ? 1 : 0}`,
      `lowerdir ${tested.rootfs}`,
      `rootfs ${rootfs}`,
      'logLimit 1048576',
      `grace ${spec.graceSeconds}`,
      `hints ${folders.hints}`,
      `scratch ${scratchFolder}`,
      ...[procsFile(machine.cgroups, spec.id)].flatMap((path) => (path === undefined ? [] : [`procs ${path}`])),
      ...cgroupFolders(machine.cgroups, spec.id).map((path) => `cgroup ${path}`),
      ...usageFiles(machine.cgroups, spec.id, 'end').map(({ name, path }) => `final ${name} ${path}`),
      `record ${JSON.stringify({ spec: { ...spec, image: printReference(spec.image) }, imageDigest: image.digest, logLimitBytes: 1 << 20 })}`,
    ]
    await writeFile(join(folder, 'prepared'), plan.map((line) => `${line}\n`).join(''))
    return folder
  }

  /** Starts that release's supervisor, as its server did, while no server runs. */
  async function supervise(spec: AttemptSpec): Promise<ChildProcess> {
    await tested.executor.close()
    const folder = await writeFolder(spec)
    const supervisor = spawn('perl', ['-w', previousSupervisor, 'run', folder], {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    supervisors.push(supervisor)
    const watcher = watch(folder)
    while (!['started', 'ended', 'cleaned'].some((stage) => existsSync(join(folder, stage))))
      await once(watcher, 'change')
    watcher.close()
    return supervisor
  }

  const reopen = async (): Promise<void> => {
    runner.executor = await tested.reopen()
  }

  it('go on under the new server, with log, usage, stop and exit code, and leave nothing', async () => {
    const spec = runner.script('trap "echo told; exit 9" TERM; echo up; while :; do sleep 0.1; done')
    await supervise(spec)
    await reopen()
    await runner.logHas(spec.id, 'up')
    assert.equal((await runner.running(spec.id)).imageDigest?.slice(0, 8), 'sha256:b')
    if (tested.executor.limitsThatHold().memory)
      assert.ok(((await runner.executor.usage(spec.id))?.memoryBytes ?? 0) > 0)
    await runner.executor.stop(spec.id, 30)
    const { ending } = await runner.ended(spec.id)
    assert.deepEqual([ending?.exitCode, ending?.stopped], [9, true])
    assert.match(await runner.log(spec.id), /^up\n[^]*told\n$/)
    await tested.tidy()
    await runner.executor.forget(spec.id)
    assert.equal((await runner.run(runner.script('exit 2'))).ending?.exitCode, 2)
  })

  it('are found when they ended while no server ran', async () => {
    const spec = runner.script('echo done; exit 3')
    const supervisor = await supervise(spec)
    if (supervisor.exitCode === null) await once(supervisor, 'exit')
    assert.deepEqual((await readdir(tested.attemptFolder(spec.id))).sort(), ['cleaned', 'log'])
    await reopen()
    const { ending } = (await runner.find(spec.id)) ?? {}
    assert.equal(ending?.exitCode, 3)
    assert.equal(await runner.log(spec.id), 'done\n')
  })

  it('are cleaned up by the new supervisor when theirs was killed', async () => {
    const spec = runner.script('echo up; sleep 600')
    const supervisor = await supervise(spec)
    await reopen()
    await runner.logHas(spec.id, 'up')
    supervisor.kill('SIGKILL')
    assert.equal((await runner.ended(spec.id)).ending?.cause.code, 'lost')
    await tested.tidy()
  })

  it('that were prepared and never launched are started anew, once', async () => {
    const spec = runner.script('echo once')
    await tested.executor.close()
    await writeFolder(spec)
    await reopen()
    assert.equal(await runner.find(spec.id), undefined)
    assert.equal(existsSync(tested.attemptFolder(spec.id)), false)
    assert.equal((await runner.run(spec)).ending?.exitCode, 0)
    assert.equal(await runner.log(spec.id), 'once\n')
  })
})
