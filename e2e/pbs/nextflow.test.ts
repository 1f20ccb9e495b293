import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Job } from '@science-platform/contract'
import { onlyInAll } from '../support/all.ts'
import { accountOf, startOnArc, type Account, type ArcProgram } from '../support/arc-program.ts'
import { nextflowJars, nextflowLine } from '../support/nextflow.ts'
import { eventually, Platform } from '../support/platform.ts'

/** Nextflow needs bash in the image of each process. */
const image = 'localhost/astro/night:1'

const pipeline = `
process numbers {
    output: path 'part_*'
    script: 'for i in 1 2 3; do echo $i > part_$i; done'
}
process square {
    container '${image}'
    cpus 2
    memory '1500 MB'
    time '30m'
    input: path part
    output: path 'square_*'
    script:
    """
    until [ -e /arc/projects/survey/nf/go ]; do sleep 0.2; done
    echo \\$((\\$(cat $part) * \\$(cat $part))) > square_\\$(cat $part)
    """
}
process total {
    publishDir 'results', mode: 'copy'
    input: path squares
    output: path 'total.txt'
    script: 'sum=0; for n in $(cat square_*); do sum=$((sum + n)); done; echo $sum > total.txt'
}
workflow { numbers | flatten | square | collect | total }
`

const page = readFileSync(new URL('../../docs/pbs.md', import.meta.url), 'utf8')

/** The example of docs/pbs.md, and intervals for tests. */
const settings = `
${/^```groovy\n([^]*?)^```$/m.exec(page)?.[1] ?? ''}
executor { queueStatInterval = '2 sec'; pollInterval = '1 sec'; exitReadTimeout = '20 sec' }
`

/** Seconds for the start of an engine and its first jobs, on a busy machine too. */
const startSeconds = 300

let platform: Platform
let account: Account
let jars: string

before(async () => {
  if (onlyInAll !== false) return
  jars = await nextflowJars()
  const { stdout } = await promisify(execFile)(
    fileURLToPath(new URL('../../examples/night/build-image', import.meta.url)),
  )
  platform = await Platform.make('capacity: {cores: 8, memoryGb: 16}\n')
  await platform.loadArchive(stdout.trim(), image)
  await platform.start()
  account = await accountOf(platform)
})

after(() => platform?.[Symbol.asyncDispose]())

const onHost = (name: string): string => join(platform.dataDir, 'arc/projects/survey', name)

async function folderWith(name: string, files: Record<string, string>): Promise<void> {
  await mkdir(onHost(name), { recursive: true })
  await chown(onHost(name), Number(account.uid), Number(account.gid))
  for (const [file, text] of Object.entries(files)) await writeFile(onHost(join(name, file)), text)
}

const nextflow = (folder: string, words: string): Promise<ArcProgram> =>
  startOnArc(
    platform,
    account,
    `/arc/projects/survey/${folder}`,
    `exec ${nextflowLine(jars)} run main.nf -ansi-log false ${words}`,
    { NXF_HOME: '/arc/home/ada/.nextflow', NXF_OFFLINE: 'true', CANFAR_PBS_IMAGE: image },
  )

async function jobsNamed(prefix: string): Promise<Job[]> {
  const found: Job[] = []
  for await (const job of platform.jobs().listAll({ name: prefix })) found.push(job)
  return found
}

test('three steps run; an engine that was killed continues with -resume', { skip: onlyInAll }, async () => {
  await folderWith('nf', { 'main.nf': pipeline, 'nextflow.config': settings })
  const first = await nextflow('nf', '')
  const squares = await eventually(
    'the squares to run',
    async () => {
      if (first.child.exitCode !== null) throw new Error(JSON.stringify(await first.ended))
      const jobs = await jobsNamed('nf-square')
      return jobs.length === 3 && jobs.every(({ state }) => state === 'running') ? jobs : undefined
    },
    startSeconds,
  )
  for (const { resources, timeSeconds } of squares)
    assert.deepEqual([resources.cores.limit, resources.memoryGb.limit, timeSeconds], [2, 2, 1800])
  first.child.kill('SIGKILL')
  await first.ended

  const second = await nextflow('nf', '-resume')
  // The engine does not find the jobs of the killed one; it submits those tasks again.
  await eventually(
    'the squares to be submitted again',
    async () => (await jobsNamed('nf-square')).length === 6,
    startSeconds,
  )
  await writeFile(onHost('nf/go'), '')
  const { code, stdout, stderr } = await second.ended
  assert.equal(code, 0, stdout + stderr)
  assert.match(stdout, /Cached process > numbers/)
  assert.equal(await readFile(onHost('nf/results/total.txt'), 'utf8'), '14\n')
  assert.equal((await jobsNamed('nf-numbers')).length, 1)
})

const failing = `
process fails { script: 'echo "no such frame"; exit 7' }
workflow { fails() }
`
const cancelled = `
process sleeps { script: 'sleep 600' }
workflow { sleeps() }
`

test('a task that fails ends the run with its exit code and its output', { skip: onlyInAll }, async () => {
  await folderWith('fails', { 'main.nf': failing, 'nextflow.config': settings })
  const { code, stdout } = await (await nextflow('fails', '')).ended
  assert.equal(code, 1)
  assert.match(stdout, /Command exit status:\s+7[^]*no such frame/)
})

test('a job that was cancelled, and one whose image does not exist, end the run', { skip: onlyInAll }, async () => {
  await folderWith('cancelled', { 'main.nf': cancelled, 'nextflow.config': settings })
  const engine = await nextflow('cancelled', '')
  const [job] = await eventually(
    'the job',
    async () => {
      const jobs = await jobsNamed('nf-sleeps')
      return jobs[0]?.state === 'running' ? jobs : undefined
    },
    startSeconds,
  )
  await platform.jobs().cancel(job?.id ?? '')
  assert.equal((await engine.ended).code, 1)

  await folderWith('imageless', { 'main.nf': failing, 'nextflow.config': settings })
  const { code, stdout } = await (
    await nextflow('imageless', '-process.clusterOptions "-W image=localhost/no/such:1"')
  ).ended
  assert.equal(code, 1, stdout)
})

test('an engine that is stopped cancels its jobs', { skip: onlyInAll }, async () => {
  await folderWith('stopped', { 'main.nf': cancelled, 'nextflow.config': settings })
  const before = (await jobsNamed('nf-sleeps')).length
  const engine = await nextflow('stopped', '')
  const job = await eventually(
    'the job',
    async () => {
      const jobs = await jobsNamed('nf-sleeps')
      return jobs.length > before ? jobs.find(({ state }) => state === 'running') : undefined
    },
    startSeconds,
  )
  engine.child.kill('SIGTERM')
  await engine.ended
  assert.equal((await platform.ended(job.id)).state, 'cancelled')
  assert.ok((await readdir(onHost('stopped'))).includes('work'))
})
