import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { AttemptRunner } from '../../executor-contract.ts'
import { busyboxReference } from '../testing/busybox-root.ts'
import { ada, OciUnderTest, whyNotAsRoot } from '../testing/oci-under-test.ts'
import { editsFor, parseCdi, readCdi } from './cdi.ts'
import { readGpuDevices } from './devices.ts'
import { grantGpus, visibleDevices } from './grant.ts'

const skip = whyNotAsRoot() ?? false

/** As `nvidia-ctk cdi generate` writes it, shortened: devices by number and by UUID, and one for all. */
const cdiText = (folder: string): string => `
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
  - name: "0"
    containerEdits: {deviceNodes: [{path: /dev/nvidia0}, {path: /dev/dri/renderD128, hostPath: ${folder}/render}]}
  - name: GPU-1
    containerEdits: {deviceNodes: [{path: /dev/nvidia1}], env: [OF_ONE=1]}
  - name: all
    containerEdits: {deviceNodes: [{path: /dev/nvidia0}, {path: /dev/nvidia1}], env: [OF_ALL=1]}
containerEdits:
  env: [NVIDIA_VISIBLE_DEVICES=void, DRIVER=x=y]
  deviceNodes: [{path: /dev/nvidiactl}]
  mounts:
    - {hostPath: ${folder}/libcuda.so, containerPath: /usr/lib/libcuda.so.1, options: [ro, bind]}
    - {hostPath: ${folder}/gone.sock, containerPath: /run/gone.sock}
  hooks:
    - {hookName: createRuntime, path: /bin/sh, args: [sh, -c, echo hooked >> ${folder}/hooked]}
`

describe('the description of GPUs', () => {
  it('is that of the devices with the nodes of the GPUs, never that of all', () => {
    const spec = parseCdi(cdiText('/x'), 'nvidia.yaml')
    assert.deepEqual(
      editsFor(spec, [1]).deviceNodes?.map(({ path }) => path),
      ['/dev/nvidiactl', '/dev/nvidia1'],
    )
    assert.deepEqual(editsFor(spec, [1]).env, ['NVIDIA_VISIBLE_DEVICES=void', 'DRIVER=x=y', 'OF_ONE=1'])
    assert.deepEqual(
      editsFor(spec, [7]).env,
      ['NVIDIA_VISIBLE_DEVICES=void', 'DRIVER=x=y'],
      'a GPU that it does not know',
    )
  })

  it('is refused by name where it is no CDI file', () => {
    assert.throws(
      () => parseCdi('kind: 7\ndevices: []', '/etc/cdi/nvidia.yaml'),
      /\/etc\/cdi\/nvidia\.yaml is no CDI file: .*kind/,
    )
  })

  it('counts from 0 for CUDA, and has the numbers of the machine beside it', () => {
    assert.deepEqual(visibleDevices([2, 5]), { CUDA_VISIBLE_DEVICES: '0,1', NVIDIA_VISIBLE_DEVICES: '2,5' })
  })
})

describe('jobs with GPUs, on a machine with device nodes that stand for GPUs', { skip }, () => {
  let tested: OciUnderTest
  let folder: string
  let runner: AttemptRunner
  const seen = 'ls /dev | grep nvidia | tr "\\n" " "; echo "$CUDA_VISIBLE_DEVICES/$NVIDIA_VISIBLE_DEVICES"'
  const withGpus = (gpus: number) => ({
    resources: { cores: { request: 0.1, limit: 1 }, memoryGb: { request: 0.1, limit: 0.2 }, gpus, fixed: true },
  })
  const events: string[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gpus-'))
    // /dev/null and /dev/zero, so that opening them works: the driver of real ones is not there.
    const nodes = { nvidia0: [1, 3], nvidia1: [1, 5], nvidiactl: [1, 3], 'nvidia-uvm': [1, 3], render: [1, 7] }
    for (const [name, [major, minor]] of Object.entries(nodes))
      execFileSync('mknod', [join(folder, name), 'c', String(major), String(minor)])
    await writeFile(join(folder, 'nvidia7'), 'no device')
    await mkdir(join(folder, 'cdi'))
    tested = await OciUnderTest.open({ gpuFolders: { devices: folder, cdi: [join(folder, 'cdi')] } })
    listen()
    runner = new AttemptRunner(tested.executor, { image: busyboxReference, account: ada }, 'gpus')
  })
  after(async () => {
    await tested.close()
    await rm(folder, { recursive: true })
  })
  function listen(): void {
    tested.executor.onEvent(({ reason, message }) => events.push(`${reason}: ${message}`))
  }

  it('have device nodes of their own and no others, also after the server was restarted', async () => {
    const going = 'while [ ! -e go ]; do sleep 0.05; done'
    const first = runner.script(`${seen}; ${going}`, withGpus(1))
    await tested.executor.start(first)
    await runner.running(first.id)
    assert.ok(events.includes('GpusAssigned: The job has the GPU 0 of the machine.'), events.join('\n'))

    await tested.reopen()
    listen()
    runner = new AttemptRunner(tested.executor, { image: busyboxReference, account: ada }, 'gpus-next')
    const second = runner.script(`${seen}; : < /dev/nvidia1 && echo opened`, withGpus(1))
    await runner.run(second)
    assert.equal(await runner.log(second.id), 'nvidia-uvm nvidia1 nvidiactl 0/1\nopened\n')

    // Both are wanted: it waits for the first.
    const both = runner.script(seen, withGpus(2))
    await tested.executor.start(both)
    await runner.run(runner.script('touch go', {}))
    await runner.ended(both.id)
    assert.equal(await runner.log(both.id), 'nvidia-uvm nvidia0 nvidia1 nvidiactl 0,1/0,1\n')
    assert.equal(await runner.log(first.id), 'nvidia-uvm nvidia0 nvidiactl 0/0\n')
  })

  it('are refused where the machine has fewer, and a job without any sees none', async () => {
    const many = runner.script(seen, withGpus(3))
    const { ending } = await runner.run(many)
    assert.match(ending?.cause.message ?? '', /requests 3 GPUs, and the machine has device nodes of 2/)
    const none = runner.script(seen, {})
    await runner.run(none)
    assert.equal(await runner.log(none.id), '/\n')
  })

  it('have the files and hooks that the container toolkit describes, and may choose among their own', async () => {
    await writeFile(join(folder, 'libcuda.so'), 'driver')
    await writeFile(join(folder, 'cdi', 'nvidia.yaml'), cdiText(folder))
    const script = `${seen}; cat /usr/lib/libcuda.so.1; echo " $DRIVER $OF_ALL"; ls /dev/dri; touch /usr/lib/libcuda.so.1 || true`
    const job = runner.script(script, { ...withGpus(1), env: { CUDA_VISIBLE_DEVICES: '' } })
    await runner.run(job)
    const [devices, driver, dri] = (await runner.log(job.id)).split('\n')
    assert.equal(devices, 'nvidia-uvm nvidia0 nvidiactl /0')
    assert.equal(driver, 'driver x=y ')
    assert.equal(dri, 'renderD128')
    assert.equal(await readFile(join(folder, 'hooked'), 'utf8'), 'hooked\n')
  })

  it('get no node of another GPU, whatever the description says', async () => {
    const wrong =
      'kind: nvidia.com/gpu\ndevices: []\ncontainerEdits: {deviceNodes: [{path: /dev/nvidia1}, {path: /dev/nvidiactl}]}\n'
    await writeFile(join(folder, 'cdi', 'nvidia.yaml'), wrong)
    assert.ok((await readCdi([join(folder, 'cdi')])) !== undefined)
    const { devices } = await grantGpus([0], await readGpuDevices(folder), [join(folder, 'cdi')])
    assert.deepEqual(
      devices.map(({ path }) => path),
      ['/dev/nvidia0', '/dev/nvidia-uvm', '/dev/nvidiactl'],
    )
  })
})
