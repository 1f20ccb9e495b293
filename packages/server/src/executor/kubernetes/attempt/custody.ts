import type { Joined } from '../../log/log-view.ts'
import type { LogCopier } from '../log/log-copier.ts'

/** How far this process is with an attempt, beside what the cluster shows of it. */
export type Custody =
  /** The attempt waits in the creation queue. It has no Job. */
  | { readonly type: 'queued' }
  /** Its Job is being created. */
  | { readonly type: 'creating'; readonly abort: AbortController }
  | Tracked
  /** Its container has ended, and the rest of its log is being copied. */
  | { readonly type: 'settling'; readonly done: Promise<void> }
  /** It has ended. */
  | { readonly type: 'ended'; readonly joined: Joined }

/** The attempt's Job was created. The cluster decides what becomes of the attempt. */
export interface Tracked {
  readonly type: 'tracked'
  /** Ends the creation of its Secret, while that is under way. */
  readonly abort: AbortController | undefined
  /** The uid of the pod whose scheduling gate was opened. */
  readonly gateOpenedFor: string | undefined
  /** The uid of the pod that was deleted after its Job. */
  readonly podDeletedFor: string | undefined
  /** When the deletion of its Job was first observed, in milliseconds since the epoch. */
  readonly deletingSince: number | undefined
  /** Present once its command has run. */
  readonly copier: LogCopier | undefined
}

/** What changes the custody of an attempt. */
export type CustodyEvent =
  /** The creation queue begins to create its Job, or its Secret. */
  | { readonly type: 'creation-began'; readonly abort: AbortController }
  | { readonly type: 'job-created' }
  /** The creation queue is done with the attempt, or puts it back. */
  | { readonly type: 'creation-ended' }
  | { readonly type: 'gate-opened'; readonly podUid: string }
  /** The API refused to open the gate. */
  | { readonly type: 'gate-refused' }
  | { readonly type: 'pod-deleted'; readonly podUid: string }
  | { readonly type: 'deletion-began'; readonly at: number }
  | { readonly type: 'copying-began'; readonly copier: LogCopier }
  | { readonly type: 'container-ended'; readonly done: Promise<void> }
  | { readonly type: 'ended'; readonly joined: Joined }

/** Custody of an attempt whose Job exists. */
export const tracked: Tracked = {
  type: 'tracked',
  abort: undefined,
  gateOpenedFor: undefined,
  podDeletedFor: undefined,
  deletingSince: undefined,
  copier: undefined,
}

/**
 * The custody after an event. Pure.
 *
 * | from | events |
 * |---|---|
 * | queued | creation-began → creating; ended → ended |
 * | creating | job-created → tracked; creation-ended → queued; ended → ended |
 * | tracked | container-ended → settling; ended → ended; all others → tracked |
 * | settling | ended → ended; all others change nothing, since the attempt's work may outlive its container |
 * | ended | none changes anything: an ending may have been reported |
 *
 * @throws {InvalidTransition}
 */
export function nextCustody(from: Custody, event: CustodyEvent): Custody {
  switch (from.type) {
    case 'queued':
      if (event.type === 'creation-began') return { type: 'creating', abort: event.abort }
      break
    case 'creating':
      if (event.type === 'job-created') return { ...tracked, abort: from.abort }
      if (event.type === 'creation-ended') return { type: 'queued' }
      break
    case 'tracked':
      return nextTracked(from, event)
    case 'settling':
      if (event.type !== 'ended') return from
      break
    case 'ended':
      return from
  }
  if (event.type === 'ended') return { type: 'ended', joined: event.joined }
  throw new InvalidTransition(from, event)
}

function nextTracked(from: Tracked, event: CustodyEvent): Custody {
  switch (event.type) {
    // Where only its Secret was missing, the creation queue finds the Job again.
    case 'job-created':
      return from
    case 'creation-began':
      return { ...from, abort: event.abort }
    case 'creation-ended':
      return { ...from, abort: undefined }
    case 'gate-opened':
      return { ...from, gateOpenedFor: event.podUid }
    case 'gate-refused':
      return { ...from, gateOpenedFor: undefined }
    case 'pod-deleted':
      return { ...from, podDeletedFor: event.podUid }
    case 'deletion-began':
      return { ...from, deletingSince: from.deletingSince ?? event.at }
    case 'copying-began':
      return { ...from, copier: event.copier }
    case 'container-ended':
      return { type: 'settling', done: event.done }
    case 'ended':
      return { type: 'ended', joined: event.joined }
  }
}

/** An event that cannot happen in a custody. */
export class InvalidTransition extends Error {
  override readonly name = 'InvalidTransition'

  constructor(from: Custody, event: CustodyEvent) {
    super(`The custody ${from.type} has no event ${event.type}.`)
  }
}
