import type { Kysely } from 'kysely'
import { execute } from '../sql/execute.ts'
import type { Schema } from '../sql/schema.ts'
import type { EstimateScore, EstimateScores } from '../store.ts'

const dayMs = 86_400_000
const dayOf = (at: number): number => Math.floor(at / dayMs)

/** Counts one outcome on its day. */
export async function countScore(db: Kysely<Schema>, { what, outcome, at }: EstimateScore): Promise<void> {
  const values = { what, day: dayOf(at), inside: 0, early: 0, late: 0, [outcome]: 1 }
  await execute(
    db,
    `count score ${outcome}`,
    () =>
      db
        .insertInto('estimate_scores')
        .values(values)
        .onConflict((conflict) =>
          conflict
            .columns(['what', 'day'])
            .doUpdateSet((row) => ({ [outcome]: row(`estimate_scores.${outcome}`, '+', 1) })),
        ),
    [...Object.values(values), 1],
  )
}

/** The outcomes of estimates since the day of an instant. */
export async function scoresSince(db: Kysely<Schema>, since: number): Promise<EstimateScores> {
  const rows = await db
    .selectFrom('estimate_scores')
    .select((row) => [
      'what',
      row.fn.sum<number>('inside').as('inside'),
      row.fn.sum<number>('early').as('early'),
      row.fn.sum<number>('late').as('late'),
    ])
    .where('day', '>=', dayOf(since))
    .groupBy('what')
    .execute()
  const of = (what: EstimateScore['what']) => {
    const row = rows.find((each) => each.what === what)
    return { inside: Number(row?.inside ?? 0), early: Number(row?.early ?? 0), late: Number(row?.late ?? 0) }
  }
  return { start: of('start'), run: of('run') }
}
