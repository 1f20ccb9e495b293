import { afterEach, beforeEach, describe } from 'node:test'
import { describeAttempts } from './contract/attempts.ts'
import { describeAudit } from './contract/audit.ts'
import { describeChanges } from './contract/changes.ts'
import { describeJobs } from './contract/jobs.ts'
import { describeLists } from './contract/lists.ts'
import { describeQueue } from './contract/queue.ts'
import { describeStaging } from './contract/staging.ts'
import { describeUsers } from './contract/users.ts'
import type { OpenedStore } from './contract/opened-store.ts'

/** The suite that every driver of the {@link Store} port passes. Within one test, each `open` opens the same data. */
export function describeStore(name: string, make: () => Promise<OpenedStore['place']>): void {
  describe(`the store on ${name}`, () => {
    const opened = {} as { -readonly [K in keyof OpenedStore]: OpenedStore[K] }
    beforeEach(async () => {
      opened.place = await make()
      opened.store = await opened.place.open()
    })
    afterEach(async () => {
      await opened.store.close()
      await opened.place.remove()
    })

    describeJobs(opened)
    describeStaging(opened)
    describeLists(opened)
    describeChanges(opened)
    describeAttempts(opened)
    describeQueue(opened)
    describeUsers(opened)
    describeAudit(opened)
  })
}
