import { constants } from 'node:os'
import type { LookAnswer, SeenFile, UnseenFile } from '../arc-look.ts'
import type { ContainerIds } from '../container-user.ts'
import type { PatternPart } from './pattern.ts'

/** What look.pl is to do, as whom, and what it may see. */
export interface LookOrder {
  readonly ids: ContainerIds
  readonly rootless: boolean
  readonly ownRoot: boolean
  /** An empty folder of this machine, over which each child mounts its view. */
  readonly view: string
  /** Folders of this machine, each with its place in the view. Those that do not exist are left out. */
  readonly mounts: readonly { readonly folder: string; readonly place: string }[]
  readonly most: number
  /** After which the child ends by itself, with what it has found. */
  readonly seconds: number
  readonly work:
    | { readonly type: 'glob'; readonly parts: readonly PatternPart[] }
    | { readonly type: 'stat'; readonly paths: readonly string[] }
}

/** The fields of an order as look.pl reads them. Pure. @throws Error where a field contains a NUL byte, which ends a field. */
export function orderText({ ids, rootless, ownRoot, view, mounts, most, seconds, work }: LookOrder): string {
  const flag = (on: boolean): number => (on ? 1 : 0)
  const fields = [
    `uid ${ids.uid}`,
    `gid ${ids.gid}`,
    `groups ${ids.additionalGids.join(',')}`,
    `rootless ${flag(rootless)}`,
    `ownRoot ${flag(ownRoot)}`,
    `view ${view}`,
    ...mounts.flatMap(({ folder, place }) => [`mount ${folder}`, `at ${place}`]),
    `most ${most}`,
    `seconds ${seconds}`,
    `do ${work.type}`,
    ...(work.type === 'glob' ? work.parts : work.paths),
  ]
  if (fields.some((field) => field.includes('\0'))) throw new Error('A field of an order contains a NUL byte.')
  return fields.map((field) => `${field}\0`).join('')
}

/** A record of look.pl. */
export type LookRecord =
  | SeenFile
  | UnseenFile
  /** A file whose name is not UTF-8. */
  | { readonly type: 'unnamed' }
  | { readonly type: 'end'; readonly cut?: NonNullable<LookAnswer['cut']>; readonly unreadable: number }
  | { readonly type: 'fault'; readonly text: string }
  /** The child has ended, with a status of waitpid(2). */
  | { readonly type: 'exit'; readonly status: number }

const types: Readonly<Record<string, SeenFile['type']>> = {
  f: 'file',
  d: 'folder',
  c: 'closed-folder',
  l: 'broken-link',
  o: 'other',
}
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const errors = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]))

/** Reads a record, without the NUL behind it; undefined for an empty one, which ends what a killed child left incomplete. Pure. */
export function parseRecord(bytes: Uint8Array): LookRecord | undefined {
  const line = Buffer.from(bytes).toString('latin1')
  if (line === '') return undefined
  const [word = '', first = '', second = ''] = line.split(' ', 3)
  if (word === 'exit') return { type: 'exit', status: Number(first) }
  if (word === 'fault') return { type: 'fault', text: line.slice(6) }
  if (word === 'end') {
    const unreadable = Number(second)
    return first === 'count' || first === 'time' ? { type: 'end', cut: first, unreadable } : { type: 'end', unreadable }
  }
  const type = types[word]
  const isSeen = type !== undefined
  if (!isSeen && word !== '-') return { type: 'fault', text: 'a record was incomplete' }
  // Fields before the path: the type, and a number or two.
  const start = word.length + 1 + first.length + 1 + (isSeen ? second.length + 1 : 0)
  let path: string
  try {
    path = utf8.decode(bytes.subarray(start))
  } catch {
    return { type: 'unnamed' }
  }
  if (!isSeen) return { path, type: 'unseen', error: errors.get(Number(first)) ?? `errno ${first}` }
  return { path, type, sizeBytes: Number(first), modifiedAt: Number(second) * 1000 }
}
