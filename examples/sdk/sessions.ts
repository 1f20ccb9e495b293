// Works on any skaha server, CANFAR's own included: runs four replicas of a job, prints their output and deletes them.
//   CANFAR_URL=https://ws-uv.canfar.net/skaha/v1 CANFAR_TOKEN=… node examples/sdk/sessions.ts skaha/astroml
import { setTimeout as pause } from 'node:timers/promises'
import { Session } from '@science-platform/client'

const session = new Session({ url: process.env['CANFAR_URL'] ?? '', token: process.env['CANFAR_TOKEN'] ?? '' })

const ids = await session.create({
  name: 'parameter-study',
  image: process.argv[2] ?? 'skaha/astroml',
  cmd: 'sh',
  args: ['-c', 'echo "replica $REPLICA_ID of $REPLICA_COUNT"'],
  replicas: 4,
})

const unfinished = new Set(['Pending', 'Running', 'Terminating'])
while ((await session.info(ids)).some(({ status }) => unfinished.has(status))) await pause(1_000)

for (const [id, log] of Object.entries(await session.logs(ids))) console.log(`${id}: ${log.trimEnd()}`)
console.log(await session.destroyWith({ prefix: 'parameter-study' }))
