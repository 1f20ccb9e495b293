// Submits a job, prints its output while it runs, and prints its usage.
//   CANFAR_URL=http://127.0.0.1:8080 CANFAR_TOKEN=… node examples/sdk/submit.ts localhost/astro/source-extractor:1 nproc
import { Jobs } from '@science-platform/client'

const [image = 'images.canfar.net/skaha/astroml:latest', cmd = 'nproc', ...args] = process.argv.slice(2)
const jobs = new Jobs({ url: process.env['CANFAR_URL'] ?? '', token: process.env['CANFAR_TOKEN'] ?? '' })

const { ids } = await jobs.submit({ name: 'first-job', image, cmd, args, cores: 1, memoryGb: 1 })
for (const id of ids) {
  for await (const bytes of jobs.logs(id, { follow: true })) process.stdout.write(bytes)
}

for (const job of await jobs.wait(ids)) {
  console.log(`${job.id} ${job.state}, exit code ${job.exitCode ?? 'none'}, CPU ${job.usage?.cpuSeconds ?? '?'} s`)
  if (job.state === 'failed') console.log(`${job.cause?.message} ${job.cause?.hint ?? ''}`)
}
