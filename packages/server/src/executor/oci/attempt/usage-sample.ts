import type { Usage } from '@science-platform/contract'
import { readIfThere } from '../../../lib/files.ts'
import { usageFiles, type Cgroups } from '../container/cgroups.ts'
import type { Attempt } from './attempt.ts'
import { coresBetween, usageOf } from './usage.ts'

/** What a running attempt uses now, by its control group; undefined where the machine cannot tell. */
export async function sampleUsage(attempt: Attempt, cgroups: Cgroups): Promise<Usage | undefined> {
  const files = await Promise.all(
    usageFiles(cgroups, attempt.id, 'now').map(async ({ name, path }) => [name, await readIfThere(path)] as const),
  )
  const usage = usageOf(Object.fromEntries(files.filter((file): file is [string, string] => file[1] !== undefined)))
  const { cpuSeconds } = usage
  if (cpuSeconds === undefined) return Object.keys(usage).length === 0 ? undefined : usage
  const at = Date.now()
  const before = attempt.sample ?? { at: attempt.observed.startedAt ?? at, cpuSeconds: 0, cores: undefined }
  const measured = coresBetween(before, { at, cpuSeconds })
  const cores = measured ?? before.cores
  if (measured !== undefined) attempt.sample = { at, cpuSeconds, cores }
  return { ...usage, ...(cores === undefined ? {} : { cores }) }
}
