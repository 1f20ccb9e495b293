import Type, { type Static } from 'typebox'
import { Instant } from './instant.ts'

/** One entry of the audit trail. */
export const AuditEntry = Type.Object(
  {
    seq: Type.Integer({ description: 'Number of the entry: 1, 2, 3, … without gaps.' }),
    at: Instant,
    actor: Type.Optional(
      Type.String({
        description: "The user; for a command, the operating system's user; absent for an unauthenticated request.",
      }),
    ),
    via: Type.Enum(['api', 'skaha', 'command'], {
      description: 'Where the action came in: this API, the skaha wire, or a command on the machine.',
    }),
    tokenPrefix: Type.Optional(Type.String({ description: 'The prefix of the token, as in lists of tokens.' })),
    tokenJob: Type.Optional(Type.String({ description: 'The job whose token it was.' })),
    action: Type.String({ examples: ['submitJobs', 'deleteSession', 'user add'] }),
    subject: Type.Optional(Type.String({ description: 'The id or name of the object; for an array, its first job.' })),
    address: Type.Optional(Type.String({ description: 'The address of the client.' })),
    outcome: Type.Enum(['done', 'refused', 'failed']),
    status: Type.Optional(Type.Integer({ description: 'The HTTP status of the answer.' })),
    problem: Type.Optional(Type.String({ description: 'The problem type of the answer.' })),
    count: Type.Integer({ description: 'Number of actions: equal refusals are one entry.' }),
    hash: Type.String({ description: 'SHA-256 of this entry and the hash of the entry before.' }),
  },
  { $id: 'AuditEntry' },
)
export type AuditEntry = Static<typeof AuditEntry>

/** A page of the audit trail, newest first. */
export const AuditPage = Type.Object(
  {
    entries: Type.Array(Type.Unsafe<AuditEntry>(Type.Ref('AuditEntry'))),
    next: Type.Optional(Type.String({ description: 'The cursor of the next page, which has older entries.' })),
  },
  { $id: 'AuditPage' },
)
export type AuditPage = Static<typeof AuditPage>

const Word = Type.String({ minLength: 1, maxLength: 200 })

/** Filters of the audit trail. */
export const AuditQuery = Type.Object(
  {
    user: Type.Optional(Word),
    action: Type.Optional(Word),
    subject: Type.Optional(Word),
    since: Type.Optional(
      Type.String({
        format: 'date-time',
        description: 'Entries from this instant on.',
        examples: ['2026-11-01T00:00:00Z'],
      }),
    ),
    until: Type.Optional(Type.String({ format: 'date-time', description: 'Entries before this instant.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 50 })),
    cursor: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,15}$', description: '`next` of the page before.' })),
  },
  { additionalProperties: false },
)
export type AuditQuery = Static<typeof AuditQuery>
