import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Job } from '@science-platform/contract'
import { onlyInAll } from '../support/all.ts'
import { accountOf, runOnArc, startOnArc, type Account, type ArcProgram } from '../support/arc-program.ts'
import { eventually, Platform } from '../support/platform.ts'

/** Toil needs the same Python in the image: the workers of its jobs run there. */
const image = 'localhost/astro/night:1'

/** The torque mode of 9.6.0 passes eight arguments to a method with seven. */
const toilVersion = '9.5.0'

const folder = '/arc/projects/survey/toil'

const workflow = `
import os, time
from toil.common import Toil
from toil.job import Job

def note(job, text):
    with open("${folder}/runs.txt", "a") as runs:
        runs.write(text + "\\n")

def numbers(job):
    note(job, "numbers")
    return [job.addChildJobFn(square, n, cores=2, memory="1500M").rv() for n in (1, 2, 3)]

def square(job, n):
    note(job, f"square {n}")
    while not os.path.exists("${folder}/go"):
        time.sleep(0.2)
    if os.path.exists("${folder}/fail"):
        raise RuntimeError("no such frame")
    return n * n

def total(job, squares):
    note(job, "total")
    with open("${folder}/total.txt", "w") as out:
        out.write(f"{sum(squares)}\\n")

if __name__ == "__main__":
    options = Job.Runner.getDefaultArgumentParser().parse_args()
    with Toil(options) as toil:
        if options.restart:
            toil.restart()
        else:
            first = Job.wrapJobFn(numbers)
            first.addFollowOnJobFn(total, first.rv())
            toil.start(first)
`

let platform: Platform
let account: Account

before(async () => {
  if (onlyInAll !== false) return
  const { stdout } = await promisify(execFile)(
    fileURLToPath(new URL('../../examples/night/build-image', import.meta.url)),
  )
  platform = await Platform.make('capacity: {cores: 8, memoryGb: 16}\n')
  await platform.loadArchive(stdout.trim(), image)
  await platform.start()
  account = await accountOf(platform)
  await mkdir(onHost(''), { recursive: true })
  await chown(onHost(''), Number(account.uid), Number(account.gid))
  await writeFile(onHost('wf.py'), workflow)
  const install = `/usr/bin/python3 -m venv env && env/bin/pip install -q --cache-dir /arc/home/ada/pip toil==${toilVersion}`
  const { code, stderr } = await runOnArc(platform, account, folder, install)
  assert.equal(code, 0, stderr)
})

after(() => platform?.[Symbol.asyncDispose]())

const onHost = (name: string): string => join(platform.dataDir, 'arc/projects/survey/toil', name)

const toil = (store: string, more = ''): Promise<ArcProgram> =>
  startOnArc(
    platform,
    account,
    folder,
    `mkdir -p work logs; PATH=${folder}/env/bin:$PATH; exec python wf.py file:${folder}/${store} --batchSystem torque --workDir ${folder}/work ` +
      `--batchLogsDir ${folder}/logs --defaultMemory 1G --defaultCores 1 --defaultDisk 10M --maxLocalJobs 0 --retryCount 0 ${more}`,
    { CANFAR_PBS_IMAGE: image },
  )

async function jobs(): Promise<Job[]> {
  const found: Job[] = []
  for await (const job of platform.jobs().listAll({ label: 'pbs' })) found.push(job)
  return found
}

const runs = async (): Promise<string[]> => (await readFile(onHost('runs.txt'), 'utf8')).trim().split('\n').sort()

test('three steps run; an engine that was killed continues with --restart', { skip: onlyInAll }, async () => {
  const first = await toil('store')
  await eventually(
    'the squares to run',
    async () => {
      if (first.child.exitCode !== null) throw new Error(JSON.stringify(await first.ended))
      return (await readFile(onHost('runs.txt'), 'utf8').catch(() => '')).split('square').length === 4
    },
    300,
  )
  const wide = (await jobs()).filter(({ resources }) => resources.cores.limit === 2)
  assert.deepEqual(
    wide.map(({ resources, state }) => [resources.memoryGb.limit, state]),
    Array(3).fill([2, 'running']),
  )
  first.child.kill('SIGKILL')
  await first.ended
  await writeFile(onHost('go'), '')
  await platform.jobs().wait((await jobs()).map(({ id }) => id))

  const { code, stdout, stderr } = await (await toil('store', '--restart')).ended
  assert.equal(code, 0, stdout + stderr)
  assert.equal(await readFile(onHost('total.txt'), 'utf8'), '14\n')
  // The squares ended while no engine ran, and are not run again.
  assert.deepEqual(await runs(), ['numbers', 'square 1', 'square 2', 'square 3', 'total'])
})

test('a job that fails ends the run; the output is in the folder of the logs', { skip: onlyInAll }, async () => {
  await writeFile(onHost('fail'), '')
  const { code, stderr } = await (await toil('failing')).ended
  assert.notEqual(code, 0)
  assert.match(stderr, /RuntimeError: no such frame/)
})
