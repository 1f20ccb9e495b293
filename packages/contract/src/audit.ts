import Type, { type Static } from 'typebox'
import { Instant } from './instant.ts'

/** One line of the audit trail. */
export const AuditEntry = Type.Object(
  {
    seq: Type.Integer({ description: 'Its place in the trail: 1, 2, 3, … without gaps.' }),
    at: Instant,
    actor: Type.Optional(
      Type.String({
        description: "The account; of a command the operating system's user; absent where nobody was recognised.",
      }),
    ),
    via: Type.Enum(['api', 'skaha', 'command'], {
      description: 'Which way it came: this API, the skaha wire, or a command on the machine.',
    }),
    tokenPrefix: Type.Optional(Type.String({ description: 'The beginning of the token, as lists of tokens show it.' })),
    tokenJob: Type.Optional(Type.String({ description: 'The job whose own token it was.' })),
    action: Type.String({ examples: ['submitJobs', 'deleteSession', 'user add'] }),
    subject: Type.Optional(
      Type.String({ description: 'The id or name of what it was about; of an array its first job.' }),
    ),
    address: Type.Optional(Type.String({ description: 'Where it came from.' })),
    outcome: Type.Enum(['done', 'refused', 'failed']),
    status: Type.Optional(Type.Integer({ description: 'The HTTP status that was answered.' })),
    problem: Type.Optional(Type.String({ description: 'The kind of problem that was answered.' })),
    count: Type.Integer({ description: 'How often; refusals that are alike are told as one.' }),
    hash: Type.String({ description: 'SHA-256 of this entry and of the hash of the one before.' }),
  },
  { $id: 'AuditEntry' },
)
export type AuditEntry = Static<typeof AuditEntry>

/** A page of the audit trail, newest first. */
export const AuditPage = Type.Object(
  {
    entries: Type.Array(Type.Unsafe<AuditEntry>(Type.Ref('AuditEntry'))),
    next: Type.Optional(Type.String({ description: 'The cursor of the page that follows, of older entries.' })),
  },
  { $id: 'AuditPage' },
)
export type AuditPage = Static<typeof AuditPage>

const Word = Type.String({ minLength: 1, maxLength: 200 })

/** What may be asked of the audit trail. */
export const AuditQuery = Type.Object(
  {
    user: Type.Optional(Word),
    action: Type.Optional(Word),
    subject: Type.Optional(Word),
    since: Type.Optional(
      Type.String({ format: 'date-time', description: 'Entries from then on.', examples: ['2026-11-01T00:00:00Z'] }),
    ),
    until: Type.Optional(Type.String({ format: 'date-time', description: 'Entries from before then.' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 50 })),
    cursor: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,15}$', description: 'next of the page before.' })),
  },
  { additionalProperties: false },
)
export type AuditQuery = Static<typeof AuditQuery>
