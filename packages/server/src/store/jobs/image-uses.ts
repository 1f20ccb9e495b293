import { sql, type Kysely } from 'kysely'
import type { Schema } from '../sql/schema.ts'
import type { ImageUse } from '../store.ts'

/**
 * When each account last ran an image, latest first, as far as its jobs are still known. Of one account it is served by
 * jobs_by_owner_image; of all accounts, which only administrators ask for, it reads that index from end to end.
 */
export async function imageUses(
  db: Kysely<Schema>,
  { image, account }: { readonly image?: string; readonly account?: string },
): Promise<ImageUse[]> {
  let query = db
    .selectFrom('jobs')
    .select(({ fn }) => ['owner as account', 'image', fn.max('started_at').as('at')])
    .where('started_at', 'is not', null)
  if (account !== undefined) query = query.where('owner', '=', account)
  if (image !== undefined) query = query.where('image', '=', image)
  const rows = await query.groupBy(['owner', 'image']).orderBy('at', 'desc').execute()
  return rows.map((row) => ({ account: row.account, image: row.image, at: Number(row.at) }))
}

/** The images of jobs that have been placed and have not ended. Served by jobs_not_ended. */
export async function imagesInUse(
  db: Kysely<Schema>,
): Promise<{ readonly image: string; readonly digest: string | undefined }[]> {
  const rows = await db
    .selectFrom('jobs')
    .select(['image', 'image_digest'])
    .distinct()
    // As the index has it; and those that wait are not about to start, unless they have run before.
    .where('state', 'in', ['held', 'queued', 'starting', 'running', 'stopping'])
    .where((where) =>
      where.or([where('state', 'in', ['starting', 'running', 'stopping']), sql<boolean>`image_digest is not null`]),
    )
    .execute()
  return rows.map((row) => ({ image: row.image, digest: row.image_digest ?? undefined }))
}
