import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { AttemptRunner, ExecutorUnderTest } from './executor-contract.ts'

/** What an executor cannot give a job, each with the reason; absent where it can. docs/environment.md names the same. */
export interface EnvironmentGaps {
  /** Programs count more processors than the job has. */
  readonly processors?: string
  /** The umask is that of the runtime. */
  readonly umask?: string
  /** The limits of setrlimit(2) are those of the runtime. */
  readonly resourceLimits?: string
}

/**
 * The lines of docs/environment.md that an executor holds: what a program inside a job may rely on. Part of the contract of every executor
 * with containers.
 */
export function describeEnvironment(under: () => { tested: ExecutorUnderTest; runner: AttemptRunner }): void {
  describe('the environment of a program', () => {
    const gib = 2 ** 30

    /** What a script prints, line by line. */
    async function lines(script: string, cores = 1): Promise<string[]> {
      const { runner } = under()
      const spec = runner.script(script, {
        resources: {
          cores: { request: cores, limit: cores },
          memoryGb: { request: 1, limit: 1 },
          gpus: 0,
          fixed: true,
        },
      })
      const { ending } = await runner.run(spec)
      const log = await runner.log(spec.id)
      assert.equal(ending?.exitCode, 0, `${ending?.cause.message} ${log}`)
      return log.trimEnd().split('\n')
    }

    const skips = (context: TestContext, why: string | undefined): boolean => {
      const reason = under().tested.whyNoContainers ?? why
      if (reason !== undefined) context.skip(reason)
      return reason !== undefined
    }

    it('shows the memory limit in the control group, which is read-only', async (context) => {
      if (skips(context, under().tested.whyNoMemoryLimit)) return
      const [limit, made] = await lines(
        'cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes 2>/dev/null; mkdir mine memory/mine 2>/dev/null || echo refused',
      )
      assert.deepEqual([Number(limit), made], [gib, 'refused'])
    })

    it('counts as many processors as the job has cores', async (context) => {
      if (skips(context, under().tested.gaps?.processors)) return
      const counted = await lines('nproc; cat /sys/devices/system/cpu/online | tr , "\\n" | wc -l')
      assert.deepEqual(counted, ['1', '1'])
    })

    it('has a /dev/shm as large as the memory limit', async (context) => {
      if (skips(context, undefined)) return
      const [size] = await lines("df -k /dev/shm | awk 'NR == 2 { print $2 }'")
      assert.equal(Number(size) * 1024, gib)
    })

    it('has the umask by which members of a project share files', async (context) => {
      if (skips(context, under().tested.gaps?.umask)) return
      assert.deepEqual(await lines('umask; touch shared; stat -c %a shared; rm shared'), ['0002', '664'])
    })

    it('has the resource limits of the platform, and no core files', async (context) => {
      if (skips(context, under().tested.gaps?.resourceLimits)) return
      assert.deepEqual(await lines('ulimit -Sn; ulimit -Sc; ulimit -Ss; ulimit -Sv; ulimit -Sf'), [
        '1024',
        '0',
        '8192',
        'unlimited',
        'unlimited',
      ])
    })

    it('has an empty stdin, and no terminal', async (context) => {
      if (skips(context, undefined)) return
      assert.deepEqual(await lines('cat | wc -c; test -t 0 || test -t 1 || echo no terminal'), ['0', 'no terminal'])
    })

    it('ignores and blocks no signal', async (context) => {
      if (skips(context, undefined)) return
      const masks = await lines("grep -E '^Sig(Ign|Blk)' /proc/self/status | cut -f 2")
      assert.deepEqual(masks, ['0000000000000000', '0000000000000000'])
    })

    it('has the time zone UTC, and no locale, time zone or proxy of the server', async (context) => {
      if (skips(context, undefined)) return
      const found = await lines('date +%Z; env | grep -icE "^(LANG|LC_.*|TZ|https?_proxy|no_proxy)=" || true')
      assert.deepEqual(found, ['UTC', '0'])
    })

    it('has its name as host name, which resolves', async (context) => {
      if (skips(context, undefined)) return
      const [name, entries] = await lines('hostname; grep -cw "$(hostname)" /etc/hosts')
      assert.equal(name, 'contract-job')
      assert.ok(Number(entries) >= 1)
    })

    it('may write to /tmp and /scratch, and may not become another user', async (context) => {
      if (skips(context, undefined)) return
      const found = await lines(
        'touch /tmp/a /scratch/a && echo written; grep -E "^(NoNewPrivs|CapEff)" /proc/self/status | cut -f 2',
      )
      assert.deepEqual(found, ['written', '0000000000000000', '1'])
    })
  })
}
