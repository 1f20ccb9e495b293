import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, totalmem } from 'node:os'
import { freePort } from '../packages/server/src/lib/free-port.ts'
import { type Contender, parallelism, sinceAsked, type Started, tellTime } from './contender.ts'
import { type Daemon, isInstalled, run, startDaemon, until } from './run-program.ts'

/** The fastest configuration of Slurm: one node with the same concurrency, without containers, limits or accounting. */
async function configuration(folder: string): Promise<string> {
  const name = hostname().split('.')[0] ?? 'localhost'
  return `
ClusterName=bench
SlurmctldHost=${name}(127.0.0.1)
SlurmctldPort=${await freePort()}
SlurmdPort=${await freePort()}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket
CredType=cred/munge
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
JobCompType=jobcomp/filetxt
JobCompLoc=${folder}/ended
ReturnToService=2
NodeName=${name} NodeAddr=127.0.0.1 CPUs=${parallelism} RealMemory=${Math.round(totalmem() / 2 ** 20)} State=UNKNOWN
PartitionName=bench Nodes=${name} Default=YES MaxTime=INFINITE State=UP
`
}

/** Slurm as one node on temporary folders. */
export async function startSlurm(folder: string): Promise<Started | undefined> {
  for (const program of ['munged', 'slurmctld', 'slurmd', 'sbatch']) if (!(await isInstalled(program))) return undefined
  if (process.getuid?.() !== 0) return undefined
  for (const part of ['state', 'spool', 'munge', 'out'])
    await mkdir(`${folder}/${part}`, { recursive: true, mode: 0o755 })
  await writeFile(`${folder}/munge.key`, randomBytes(128), { mode: 0o600 })
  const conf = `${folder}/slurm.conf`
  await writeFile(conf, await configuration(folder))
  const env = { SLURM_CONF: conf }
  const slurm = (program: string, ...args: string[]): Promise<string> => run(program, args, env)

  const daemons: Daemon[] = []
  const contender: Contender = {
    name: 'Slurm',
    description: `${(await run('slurmctld', ['-V'])).trim()}, one node, no containers, no accounting, sbatch --array, ${parallelism} at a time`,
    async runTrue(count) {
      const before = await endedJobs()
      await slurm('sbatch', '--output=/dev/null', `--array=1-${count}`, '--wrap=/bin/true')
      await until(`${count} jobs of Slurm`, 300, async () => ((await endedJobs()) >= before + count ? true : undefined))
    },
    async firstInstruction() {
      const file = `${folder}/out/${Date.now()}`
      const askedAt = Date.now()
      await slurm('sbatch', '--output=/dev/null', `--wrap=${tellTime.join(' ')} > ${file}`)
      const printed = await until(
        'a job of Slurm',
        60,
        async () => (await readFile(file, 'utf8').catch(() => '')).match(/\d{19}/)?.[0],
      )
      // The node is idle again once Slurm has cleaned up the job.
      await until('an idle Slurm', 60, async () => ((await slurm('squeue', '--noheader')) === '' ? true : undefined))
      return sinceAsked(askedAt, printed)
    },
  }
  const stop = async (): Promise<void> => {
    for (const daemon of daemons.reverse()) await daemon.stop()
    await rm(folder, { recursive: true, force: true })
  }
  async function endedJobs(): Promise<number> {
    return (await readFile(`${folder}/ended`, 'utf8').catch(() => '')).split('\n').length - 1
  }

  try {
    daemons.push(
      startDaemon(
        'munged',
        [
          '--foreground',
          '--force',
          '--key-file',
          `${folder}/munge.key`,
          '--socket',
          `${folder}/munge.socket`,
          '--pid-file',
          `${folder}/munge/pid`,
          '--seed-file',
          `${folder}/munge/seed`,
        ],
        `${folder}/munge.log`,
      ),
    )
    await until('munged', 10, () =>
      run('munge', ['--no-input', '--socket', `${folder}/munge.socket`]).catch(() => undefined),
    )
    daemons.push(startDaemon('slurmctld', ['-D', '-f', conf], `${folder}/slurmctld.log`))
    daemons.push(startDaemon('slurmd', ['-D', '-f', conf], `${folder}/slurmd.log`))
    await until(`an idle node of Slurm (logs in ${folder})`, 60, async () =>
      (await slurm('sinfo', '--noheader', '--format=%t').catch(() => '')).trim() === 'idle' ? true : undefined,
    )
  } catch (error) {
    await stop()
    throw error
  }
  return { contenders: [contender], stop }
}
