import Type, { type Static } from 'typebox'
import { Instant } from './instant.ts'

const Closed = { additionalProperties: false } as const

/** Types of a file below /arc, as its user sees it. */
export const fileTypes = ['file', 'folder', 'closed-folder', 'broken-link', 'other'] as const

/** The query of `GET /api/v1/files`. */
export const FileQuery = Type.Object(
  {
    glob: Type.String({
      minLength: 1,
      maxLength: 4095,
      description:
        'A pattern of paths below /arc, as in a shell: `*`, `?`, `[a-z]`, `[!a-z]`, `\\` before a character, and once `**` for any depth of folders.',
      examples: ['/arc/projects/survey/night-17/*.fits'],
    }),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 })),
  },
  Closed,
)
export type FileQuery = Static<typeof FileQuery>

/** Files below /arc, as a job of the caller would see them. */
export const FileList = Type.Object(
  {
    files: Type.Array(
      Type.Object({
        path: Type.String(),
        type: Type.Enum([...fileTypes], {
          description:
            'What is at the end of links. closed-folder: you may not enter it; broken-link: a link that leads to nothing you can see.',
        }),
        sizeBytes: Type.Integer(),
        modifiedAt: Instant,
      }),
      { description: 'By folder and name, in the order of their bytes.' },
    ),
    cut: Type.Optional(
      Type.Enum(['count', 'time'], {
        description: 'There may be more: the limit of the number, or of 30 s, was reached. Absent: these are all.',
      }),
    ),
    unreadable: Type.Integer({ description: 'Folders that you may not read, whose files are therefore missing.' }),
    unnamed: Type.Integer({ description: 'Files that are left out because their names are not UTF-8.' }),
  },
  { $id: 'FileList' },
)
export type FileList = Static<typeof FileList>
