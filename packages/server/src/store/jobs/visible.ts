import { sql } from 'kysely'

/**
 * Leaves out jobs of submissions that are not complete (`staging.ts`). Every statement that may find a job in a state before its
 * first start has it. The table is empty but for moments: then the first half decides, once for the whole statement.
 */
export const isVisible = sql<boolean>`(
  not exists (select 1 from staged)
  or not exists (select 1 from staged where jobs.seq between staged.first_job and staged.last_job)
)`
