import assert from 'node:assert/strict'
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { accountOf, runOnArc, startOnArc, type Account, type Ended } from '../support/arc-program.ts'
import { eventually, Platform, testImage } from '../support/platform.ts'

const folder = '/arc/projects/survey/pbs run'
let platform: Platform
let account: Account

before(async () => {
  platform = await Platform.make('capacity: {cores: 4, memoryGb: 8}\n')
  await platform.start()
  account = await accountOf(platform)
  await mkdir(onHost(''), { recursive: true })
  await chown(onHost(''), Number(account.uid), Number(account.gid))
})

after(() => platform[Symbol.asyncDispose]())

const onHost = (name: string): string => join(platform.dataDir, 'arc/projects/survey/pbs run', name)

const run = (line: string, environment: Record<string, string> = {}): Promise<Ended> =>
  runOnArc(platform, account, folder, line, { CANFAR_PBS_IMAGE: testImage, ...environment })

/** The id that qsub prints, which is all of its output. */
async function submitted(line: string, environment: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await run(line, environment)
  assert.deepEqual([code, stderr], [0, ''], stderr)
  assert.match(stdout, /^[a-z][a-z0-9]{7}\n$/)
  return stdout.trim()
}

test('a script with #PBS lines runs in its folder, and its output is in the file of -o', async () => {
  const script = [
    '#!/bin/sh',
    '#PBS -N nf-fit_(r band)',
    '#PBS -o "logs/$PBS_JOBID.log" -j oe',
    '#PBS -l nodes=1:ppn=2,mem=1500mb,walltime=00:10:00',
    '#PBS -v BAND=r',
    '',
    'echo "$PBS_JOBID $PBS_JOBNAME $PBS_NP $BAND $NIGHT"',
    'echo "an error" >&2',
    'cd "$PBS_O_WORKDIR" && pwd && readlink /proc/$$/cwd',
    'exit 3',
    '#PBS -l nodes=1:ppn=64',
  ].join('\n')
  await writeFile(onHost('.command.run'), script.replace('nf-fit_(r band)', "'nf-fit_(r band)'"))
  const id = await submitted('mkdir -p logs && qsub -v NIGHT=17 .command.run')
  const job = await platform.ended(id)
  assert.equal(job.name, 'nf-fit-r-band')
  assert.deepEqual(job.labels, { pbs: 'nf-fit_(r band)' })
  assert.deepEqual([job.resources.cores.limit, job.resources.memoryGb.limit, job.timeSeconds], [2, 2, 600])
  const written = await readFile(onHost(`logs/${id}.log`), 'utf8')
  assert.equal(written, `${id} nf-fit_(r band) 2 r 17\nan error\n${folder}\n${folder}\n`)
  assert.match(await platform.logOf(id), /^qsub: the output is in .*pbs run\/logs\/[a-z0-9]{8}\.log\n$/)

  const full = await run(`qstat -f -1 ${id}`)
  assert.match(full.stdout, new RegExp(`^Job Id: ${id}\n    Job_Name = nf-fit_\\(r band\\)\n    Job_Owner = ada\n`))
  assert.match(full.stdout, /^ {4}job_state = C$/m)
  assert.match(full.stdout, /^ {4}exit_status = 3$/m)
  const table = await run(`qstat ${id}.server`)
  assert.match(table.stdout, new RegExp(`^${id} +nf-fit_\\(r_band\\) +ada +\\d\\d:\\d\\d:\\d\\d C batch$`, 'm'))
})

test('a script from stdin has its output in the log; a folder of -o and -e gets files with the id', async () => {
  const id = await submitted(`printf 'echo out; echo err >&2' | qsub -N in`)
  assert.equal((await platform.ended(id)).state, 'succeeded')
  assert.deepEqual((await platform.logOf(id)).trim().split('\n').sort(), ['err', 'out'])
  const apart = await submitted(`printf 'echo out; echo err >&2' | qsub -o . -e host:errors.txt`)
  await platform.ended(apart)
  assert.equal(await readFile(onHost(`${apart}.OU`), 'utf8'), 'out\n')
  assert.equal(await readFile(onHost('errors.txt'), 'utf8'), 'err\n')
  const nowhere = await submitted(`printf 'echo kept; exit 4' | qsub -o /arc/nowhere/x.log -j oe`)
  assert.equal((await platform.ended(nowhere)).exitCode, 4)
  assert.match(await platform.logOf(nowhere), /x\.log cannot be written, so the output is here\nkept\n/)
})

test('a script of any length and with any characters arrives as it is', async () => {
  const text = `${'é😀\\n%s$x\'"`'.repeat(16_000)}`
  await writeFile(onHost('long.sh'), `cat > long.out <<'END OF TEXT'\n${text}\nEND OF TEXT\n`)
  const id = await submitted('qsub long.sh')
  assert.equal((await platform.ended(id)).state, 'succeeded', await platform.logOf(id))
  assert.equal(await readFile(onHost('long.out'), 'utf8'), `${text}\n`)
})

test('the image lacks the program of the script: the job says so', async () => {
  const id = await submitted(`printf '#!/usr/bin/no-such-shell -e\\n' | qsub`)
  assert.equal((await platform.ended(id)).exitCode, 127)
  assert.match(await platform.logOf(id), /qsub: the image has no program \/usr\/bin\/no-such-shell/)
})

test('qdel cancels jobs and leaves ended ones; an id that is not known is named', async () => {
  const id = await submitted(`printf 'trap "exit 0" TERM; sleep 600 & wait' | qsub`)
  await platform.becomes(id, 'running')
  assert.match((await run('qstat')).stdout, new RegExp(`^${id} .* R batch$`, 'm'))
  // Toil passes the id with its line break.
  assert.deepEqual(await run(`qdel '${id}\n'`), { code: 0, stdout: '', stderr: '' })
  assert.equal((await platform.ended(id)).state, 'cancelled')
  assert.equal((await run(`qdel ${id}`)).code, 0)
  assert.match((await run(`qstat -f ${id}`)).stdout, /^ {4}exit_status = 271$/m)
  const unknown = await run('qdel a0000000 x')
  assert.equal(unknown.code, 153)
  assert.match(unknown.stderr, /qdel: Unknown Job Id x\n[^]*qdel: Unknown Job Id a0000000\n/)
  const both = await run(`qstat ${id} a0000000`)
  assert.equal(both.code, 153)
  assert.match(both.stdout, new RegExp(`^${id} `, 'm'))
})

test('-V passes variables of the caller, and neither the token nor what belongs to the machine', async () => {
  const id = await submitted('printf env | qsub -V', { BAND: 'r, g', LD_LIBRARY_PATH: '/nowhere' })
  await platform.ended(id)
  const log = await platform.logOf(id)
  assert.match(log, /^BAND=r, g$/m)
  assert.match(log, /^PBS_O_WORKDIR=\/arc\/projects\/survey\/pbs run$/m)
  assert.doesNotMatch(log, /CANFAR_TOKEN|CANFAR_URL|LD_LIBRARY_PATH|bin\/pbs/)
  assert.ok(!log.includes(platform.token))
})

test('a folder that jobs do not see is refused before anything is submitted', async () => {
  const { code, stderr } = await runOnArc(platform, account, '/', 'printf true | qsub', { CANFAR_PBS_IMAGE: testImage })
  assert.equal(code, 2)
  assert.match(stderr, /^qsub: qsub was called in \/, which jobs do not see\nfix: change to a folder below \/arc/)
})

test('a qsub that was killed before it had an answer is repeated: one job, and afterwards a new one each time', async () => {
  let lost: (() => void) | undefined
  // Stands between qsub and the server, and keeps the answer to the first submission.
  const proxy = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming
    const forward = httpRequest(`${platform.url}${url}`, { method, headers: { ...headers, host: '' } }, (answer) => {
      if (method === 'POST' && lost !== undefined) {
        answer.resume().on('end', lost)
        return
      }
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(forward)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const environment = { CANFAR_PBS_IMAGE: testImage, CANFAR_URL: url }
    const count = async (): Promise<number> => (await platform.jobs().list({ label: 'pbs=once' })).jobs.length
    await writeFile(onHost('once.sh'), 'true\n')
    const isLost = new Promise<void>((resolve) => (lost = resolve))
    const first = await startOnArc(platform, account, folder, 'exec qsub -N once once.sh', environment)
    await isLost
    first.child.kill('SIGKILL')
    await first.ended
    lost = undefined
    assert.equal(await count(), 1)
    const [made] = (await platform.jobs().list({ label: 'pbs=once' })).jobs
    assert.equal(await submitted('qsub -N once once.sh', environment), made?.id)
    assert.equal(await count(), 1)
    await submitted('qsub -N once once.sh', environment)
    await eventually('the second job', async () => (await count()) === 2)
  } finally {
    proxy.closeAllConnections()
    proxy.close()
  }
})
