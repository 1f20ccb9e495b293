import { sql, type Kysely } from 'kysely'
import type { Schema } from '../sql/schema.ts'
import type { ImageUse } from '../store.ts'

/**
 * The last use of images by account, latest first, among jobs still stored. For one account it is served by
 * jobs_by_owner_image. For all accounts, an administrator query, it scans that index.
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

/** The images of jobs that have been placed and have not ended. Served by jobs_not_ended_by_state. */
export async function imagesInUse(
  db: Kysely<Schema>,
): Promise<{ readonly image: string; readonly digest: string | undefined }[]> {
  const rows = await db
    .selectFrom('jobs')
    .select(['image', 'image_digest'])
    .distinct()
    // The condition matches the partial index. Waiting jobs have a digest only if they ran before.
    .where('state', 'in', ['held', 'queued', 'starting', 'running', 'stopping'])
    .where((where) =>
      where.or([where('state', 'in', ['starting', 'running', 'stopping']), sql<boolean>`image_digest is not null`]),
    )
    .execute()
  return rows.map((row) => ({ image: row.image, digest: row.image_digest ?? undefined }))
}
