import { join } from 'node:path'
import { Semaphore } from '../../lib/semaphore.ts'
import {
  LookBusy,
  LookFailed,
  lookLimits,
  type ArcLook,
  type LookAnswer,
  type LookLimits,
  type SeenFile,
  type UnseenFile,
} from '../arc-look.ts'
import type { ContainerIds } from '../container-user.ts'
import type { Account } from '../account.ts'
import { LookServer, lookLanes, type LookServerOptions } from './look-server.ts'
import { orderText, type LookOrder, type LookRecord } from './order.ts'
import { parsePattern, type PatternPart } from './pattern.ts'

/** Where /arc is on this machine, and how this server runs. */
export interface ArcLooksOptions extends LookServerOptions {
  readonly rootless: boolean
  readonly ownRoot: boolean
  /** An empty folder. */
  readonly view: string
  readonly homes: string
  readonly projects: string
  /** The ids of an account's jobs. */
  readonly ids: (account: Account) => ContainerIds
}

/** Seconds after which a process that has not ended by itself is killed. */
const patienceSeconds = 2

/** Looks of a user that may wait for their turn. */
const mostWaiting = 20

type Work = LookOrder['work']
type Found = { readonly records: readonly (SeenFile | UnseenFile)[] } & Omit<LookAnswer, 'files'>

/** Looks into the /arc of this machine: one look of a user at a time, and a few of all users. */
export class ArcLooks implements ArcLook {
  readonly #options: ArcLooksOptions
  readonly #server: LookServer
  readonly #lanes = new Semaphore(lookLanes)
  /** By the name of the user, while the user has looks that run or wait. */
  readonly #turns = new Map<string, { readonly turn: Semaphore; looks: number }>()

  constructor(options: ArcLooksOptions) {
    this.#options = options
    this.#server = new LookServer(options)
  }

  async glob(account: Account, pattern: string, limits: LookLimits = {}): Promise<LookAnswer> {
    return this.#files(account, { type: 'glob', parts: parsePattern(pattern) }, limits)
  }

  async list(account: Account, folder: string, limits: LookLimits = {}): Promise<LookAnswer> {
    const parts = folder.split('/').filter((part) => part !== '' && part !== '.')
    const every = '~\\A'
    return this.#files(
      account,
      { type: 'glob', parts: [...parts.map((part): PatternPart => `=${part}`), every] },
      limits,
    )
  }

  async stat(
    account: Account,
    paths: readonly string[],
    limits: LookLimits = {},
  ): Promise<readonly (SeenFile | UnseenFile)[]> {
    const { records } = await this.#look(account, { type: 'stat', paths }, { ...limits, most: paths.length })
    if (records.length < paths.length) throw new LookBusy('the disk takes too long')
    return records
  }

  /** Prepares for looks. Not required: the first look does it, which stops a large server for a moment. */
  open(): void {
    this.#server.open()
  }

  /** Ends all looks. */
  close(): void {
    this.#server.close()
  }

  async #files(account: Account, work: Work, limits: LookLimits): Promise<LookAnswer> {
    const { records, ...rest } = await this.#look(account, work, limits)
    return { files: records.filter((record) => record.type !== 'unseen'), ...rest }
  }

  async #look(account: Account, work: Work, { most = 1000, seconds = 30, signal }: LookLimits): Promise<Found> {
    const limit = Math.min(seconds, lookLimits.seconds)
    const until = Date.now() + limit * 1000
    const late = AbortSignal.timeout((limit + patienceSeconds) * 1000)
    const ended = signal === undefined ? late : AbortSignal.any([signal, late])
    const answer = Promise.withResolvers<Found>()
    // The turn and the lane are held until the process has ended; the answer comes before.
    this.#inTurn(account, ended, async () => {
      const left = Math.max(1, Math.round((until - Date.now()) / 1000))
      const order = this.#order(account, work, Math.min(most, lookLimits.files), left)
      await this.#run(order, ended, answer)
    }).catch((error: unknown) => {
      answer.reject(error)
    })
    const leave = (): void => {
      answer.reject(
        late.aborted && signal?.aborted !== true
          ? new LookBusy(`no answer within ${limit} s: other looks, or the disk, take too long`)
          : (ended.reason as Error),
      )
    }
    if (ended.aborted) leave()
    ended.addEventListener('abort', leave, { once: true })
    try {
      return await answer.promise
    } finally {
      ended.removeEventListener('abort', leave)
    }
  }

  async #inTurn(account: Account, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const line = this.#turns.get(account.name) ?? { turn: new Semaphore(1), looks: 0 }
    this.#turns.set(account.name, line)
    if (line.looks > mostWaiting) throw new LookBusy(`${mostWaiting} looks of ${account.name} wait already`)
    line.looks++
    try {
      await line.turn.take(signal, () => this.#lanes.take(signal, work))
    } finally {
      if (--line.looks === 0) this.#turns.delete(account.name)
    }
  }

  async #run(order: LookOrder, signal: AbortSignal, answer: PromiseWithResolvers<Found>): Promise<void> {
    const records: (SeenFile | UnseenFile)[] = []
    let unnamed = 0
    const onRecord = (record: LookRecord): void => {
      if (record.type === 'unnamed') unnamed++
      else if (record.type === 'end') {
        const { cut, unreadable } = record
        answer.resolve({ records, ...(cut === undefined ? {} : { cut }), unreadable, unnamed })
      } else if (record.type === 'fault') answer.reject(new LookFailed(record.text))
      else if (record.type === 'exit') answer.reject(new LookFailed(`the process ended with status ${record.status}`))
      else records.push(record)
    }
    await this.#server.run(orderText(order), order.seconds + patienceSeconds, signal, onRecord)
  }

  /** What jobs of the account see below /arc. */
  #order(account: Account, work: Work, most: number, seconds: number): LookOrder {
    const { homes, projects, ids, rootless, ownRoot, view } = this.#options
    return {
      ids: ids(account),
      rootless,
      ownRoot,
      view,
      mounts: [
        { folder: join(homes, account.name), place: `arc/home/${account.name}` },
        { folder: projects, place: 'arc/projects' },
      ],
      most,
      seconds,
      work,
    }
  }
}
