/** A resource limit of an OCI runtime configuration (setrlimit(2)). */
export interface ResourceLimit {
  readonly type: string
  readonly soft: number | Unlimited
  readonly hard: number | Unlimited
}

/** RLIM_INFINITY, which is above the numbers of JavaScript: the digits of its JSON. */
interface Unlimited {
  readonly rawJSON: string
}

/** ECMAScript's JSON.rawJSON, which this version of TypeScript does not declare. */
const json = JSON as typeof JSON & { rawJSON(text: string): Unlimited }

export const unlimited = json.rawJSON(String(2n ** 64n - 1n))

const mebibyte = 2 ** 20

/**
 * The limits of every job, whatever the limits of the server are. docs/environment.md explains them. Descriptors: a soft limit that
 * select(2) can count, and a hard one that programs may raise theirs to. Core files: none unless the job asks with `ulimit -c`.
 */
const limitsOfJobs: readonly ResourceLimit[] = [
  { type: 'RLIMIT_NOFILE', soft: 1024, hard: 1_048_576 },
  { type: 'RLIMIT_CORE', soft: 0, hard: unlimited },
  { type: 'RLIMIT_STACK', soft: 8 * mebibyte, hard: unlimited },
  { type: 'RLIMIT_MEMLOCK', soft: 8 * mebibyte, hard: unlimited },
  { type: 'RLIMIT_MSGQUEUE', soft: 819_200, hard: 819_200 },
  { type: 'RLIMIT_SIGPENDING', soft: 65_536, hard: 65_536 },
  // The control group limits these.
  ...['AS', 'CPU', 'DATA', 'FSIZE', 'LOCKS', 'NPROC', 'RSS', 'RTTIME'].map((name): ResourceLimit => ({
    type: `RLIMIT_${name}`,
    soft: unlimited,
    hard: unlimited,
  })),
  { type: 'RLIMIT_NICE', soft: 0, hard: 0 },
  { type: 'RLIMIT_RTPRIO', soft: 0, hard: 0 },
]

/** The rows of /proc/PID/limits by the names of setrlimit(2) (proc(5)). */
const rows: Readonly<Record<string, string>> = {
  'Max cpu time': 'CPU',
  'Max file size': 'FSIZE',
  'Max data size': 'DATA',
  'Max stack size': 'STACK',
  'Max core file size': 'CORE',
  'Max resident set': 'RSS',
  'Max processes': 'NPROC',
  'Max open files': 'NOFILE',
  'Max locked memory': 'MEMLOCK',
  'Max address space': 'AS',
  'Max file locks': 'LOCKS',
  'Max pending signals': 'SIGPENDING',
  'Max msgqueue size': 'MSGQUEUE',
  'Max nice priority': 'NICE',
  'Max realtime priority': 'RTPRIO',
  'Max realtime timeout': 'RTTIME',
}

/** The hard limits in a text of /proc/PID/limits, by the names of setrlimit(2). Pure. */
export function hardLimits(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const line of text.split('\n')) {
    const match = /^(Max .*?) {2,}\S+ +(\S+)/.exec(line)
    const name = rows[match?.[1] ?? '']
    if (name !== undefined) found.set(`RLIMIT_${name}`, match?.[2] === 'unlimited' ? Infinity : Number(match?.[2]))
  }
  return found
}

/** Whether a process may raise hard limits: CAP_SYS_RESOURCE in its /proc/PID/status (capabilities(7)). Root in a container may lack it. Pure. */
export const mayRaiseLimits = (status: string): boolean =>
  ((BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`) >> 24n) & 1n) === 1n

/**
 * The limits of a job.
 *
 * @param mostFiles the kernel's limit of descriptors (fs.nr_open), which holds for root too
 * @param highest the hard limits that this process may not exceed; undefined where it may raise them
 */
export function resourceLimits(mostFiles: number, highest: ReadonlyMap<string, number> | undefined): ResourceLimit[] {
  return limitsOfJobs.map(({ type, soft, hard }) => {
    const most = Math.min(highest?.get(type) ?? Infinity, type === 'RLIMIT_NOFILE' ? mostFiles : Infinity)
    return { type, soft: atMost(soft, most), hard: atMost(hard, most) }
  })
}

const atMost = (limit: ResourceLimit['soft'], most: number): ResourceLimit['soft'] =>
  most === Infinity ? limit : Math.min(typeof limit === 'number' ? limit : Infinity, most)
