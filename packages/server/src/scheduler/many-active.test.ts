import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { forever } from '../executor/simulated/behaviour.ts'
import { SimulatedCluster } from '../executor/simulated/simulated-cluster.ts'
import { VirtualClock } from '../lib/virtual-clock.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import { someJob } from '../store/testing/some-job.ts'
import { Server } from './testing/server.ts'

const count = 100_000

/** Active jobs with their attempts, by SQL: by the port it would take a minute. Specifications in clear are those of early versions. */
function insertActive(path: string): void {
  const { env, resources, timeSeconds, graceSeconds } = someJob()
  const database = new DatabaseSync(path)
  database.exec(`
    begin;
    insert into jobs (id, seq, owner, name, image, state, spec_sealed, task_index, task_count, submitted_at, attempt)
      with recursive n(i) as (select 1 union all select i + 1 from n where i < ${count})
      select printf('j%07d', i), i, 'ada', 'job', 'localhost/test:1', 'starting',
        '${JSON.stringify({ env, resources, timeSeconds, graceSeconds }).replaceAll("'", "''")}', 1, 1, 1, 1 from n;
    insert into attempts (id, job_id, number, node, placed_at) select id || '-1', id, 1, 'here', 1 from jobs;
    update counters set jobs = ${count};
    commit;
  `)
  database.close()
}

test('the server starts with a hundred thousand active jobs, each with its attempt', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sp-many-'))
  await (await openSqliteStore(join(folder, 'db'))).close()
  insertActive(join(folder, 'db'))
  const clock = new VirtualClock(1_000)
  const nodes = [{ name: 'here', cores: 2 * count, memoryGb: 2 * count, gpus: 0 }]
  const cluster = new SimulatedCluster({ clock, nodes, behaviourOf: () => ({ command: [forever] }) })
  const server = await Server.begin({ folder, clock, cluster, policy: {} })
  const { jobCache } = server.loop.queue
  assert.equal(jobCache.activeCount, count)
  for (const job of jobCache.active()) assert.equal(jobCache.attempt(job).node, 'here')
  assert.deepEqual(server.errors, [])
  await server.end()
  await rm(folder, { recursive: true })
})
