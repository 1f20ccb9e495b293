import { constants } from 'node:os'
import type { Cause, Usage, WarningSignal } from '@science-platform/contract'
import { causeOfExit, outOfMemory, stoppedBeforeStart, stoppedBySignal, type CommandEnd } from '../causes.ts'
import type { AttemptSpec, Ending } from '../executor.ts'
import type { Behaviour, Step } from './behaviour.ts'

/** The state of an attempt. Instants are milliseconds since the epoch. */
export type AttemptState =
  | { readonly phase: 'preparing'; readonly readyAt: number }
  | Running
  | { readonly phase: 'ended'; readonly startedAt?: number; readonly ending: Ending }

interface Running {
  readonly phase: 'running'
  readonly startedAt: number
  /** The current step, and those after it. */
  readonly steps: readonly Step[]
  /** When the current step is over, where it is a wait that has begun. */
  readonly waitsUntil?: number
  readonly meter: Meter
  /** When it is killed, once it was stopped. */
  readonly killAt?: number
}

/** Its usage until an instant, and what it uses since. */
interface Meter {
  readonly since: number
  readonly cores: number
  readonly memoryBytes: number
  readonly cpuSeconds: number
  readonly peakBytes: number
}

/** An event from outside the attempt. */
export type AttemptEvent =
  | { readonly type: 'stop'; readonly graceSeconds: number }
  | { readonly type: 'signal'; readonly signal: WarningSignal }
  | { readonly type: 'told'; readonly steps: readonly Step[] }
  | { readonly type: 'nodeLost'; readonly node: string }

/** A step that changes something outside the attempt. */
export type Effect = Extract<Step, { type: 'write' | 'touch' | 'remove' }>

/** What decides about the next state beside the state. */
export interface Surroundings {
  readonly spec: Pick<AttemptSpec, 'resources'>
  readonly behaviour: Behaviour
  readonly now: number
  readonly hasFile: (file: string) => boolean
}

/** The state of an attempt that was just accepted. Pure. */
export const begin = ({ prepareMs = 0 }: Behaviour, now: number): AttemptState => ({
  phase: 'preparing',
  readyAt: now + prepareMs,
})

/** When the attempt next proceeds without an event; Infinity where it does not. Pure. */
export function dueAt(state: AttemptState): number {
  switch (state.phase) {
    case 'preparing':
      return state.readyAt
    case 'running':
      return Math.min(state.waitsUntil ?? Infinity, state.killAt ?? Infinity)
    case 'ended':
      return Infinity
  }
}

/** The next state of an attempt, with its effect; undefined where nothing is due now. Pure. */
export function proceed(
  state: AttemptState,
  around: Surroundings,
): { readonly state: AttemptState; readonly effect?: Effect } | undefined {
  const { behaviour, now } = around
  if (state.phase === 'ended' || (state.phase === 'preparing' && now < state.readyAt)) return undefined
  if (state.phase === 'preparing')
    return {
      state:
        behaviour.failure === undefined
          ? { phase: 'running', startedAt: now, steps: behaviour.command, meter: newMeter(now) }
          : { phase: 'ended', ending: unstarted(behaviour.failure, behaviour.retryMs, now) },
    }
  if (state.killAt !== undefined && now >= state.killAt)
    return { state: exited(state, signalled('SIGKILL'), now, true) }
  return takeStep(state, around)
}

const unstarted = (cause: Cause, retryMs: number | undefined, now: number): Ending => ({
  at: now,
  cause,
  stopped: false,
  ...(retryMs === undefined ? {} : { retry: { notBefore: now + retryMs } }),
})

function takeStep(state: Running, { spec, now, hasFile }: Surroundings): ReturnType<typeof proceed> {
  const { steps, waitsUntil, ...rest } = state
  const [step, ...later] = steps
  const next: Running = { ...rest, steps: later }
  switch (step?.type) {
    case undefined:
      return { state: exited(state, { exitCode: 0, isSignal: false }, now) }
    case 'exit':
      return { state: exited(state, { exitCode: step.code, isSignal: false }, now) }
    case 'die':
      return { state: exited(state, signalled(step.signal), now) }
    case 'wait':
      if (waitsUntil === undefined) return { state: { ...state, waitsUntil: now + step.ms } }
      return now < waitsUntil ? undefined : { state: next }
    case 'await':
      return hasFile(step.file) ? { state: next } : undefined
    case 'remove':
      return hasFile(step.file)
        ? { state: next, effect: step }
        : { state: exited(state, { exitCode: 1, isSignal: false }, now) }
    case 'write':
    case 'touch':
      return { state: next, effect: step }
    case 'use': {
      const { cores, memoryGb } = spec.resources
      const limitBytes = memoryGb.limit * 1024 ** 3
      const meter = read(state.meter, now)
      if (step.memoryBytes > limitBytes)
        return { state: killedForMemory({ ...state, meter: { ...meter, peakBytes: limitBytes } }, memoryGb.limit, now) }
      const { memoryBytes } = step
      const peakBytes = Math.max(meter.peakBytes, memoryBytes)
      return {
        state: { ...next, meter: { ...meter, cores: Math.min(step.cores, cores.limit), memoryBytes, peakBytes } },
      }
    }
  }
}

/** The state of an attempt after an event. One that has ended does not change. Pure. */
export function react(state: AttemptState, event: AttemptEvent, { behaviour, now }: Surroundings): AttemptState {
  if (state.phase === 'ended') return state
  if (event.type === 'nodeLost') return lost(state, event.node, now)
  if (state.phase === 'preparing')
    return event.type === 'stop'
      ? { phase: 'ended', ending: { at: now, cause: stoppedBeforeStart, stopped: true } }
      : state
  switch (event.type) {
    case 'told':
      return interrupted(state, event.steps, now)
    case 'signal':
      return onSignal(state, event.signal, behaviour, now)
    case 'stop': {
      const killAt = now + event.graceSeconds * 1000
      // SIGTERM is sent once. A second stop can only shorten the grace period.
      return state.killAt === undefined
        ? onSignal({ ...state, killAt }, 'TERM', behaviour, now)
        : { ...state, killAt: Math.min(killAt, state.killAt) }
    }
  }
}

/** The state of an attempt whose node does not exist or is removed. Pure. */
export const lost = (state: AttemptState | undefined, node: string, now: number): AttemptState => ({
  phase: 'ended',
  ...(state?.phase === 'running' ? { startedAt: state.startedAt } : {}),
  ending: {
    at: now,
    cause: {
      code: 'lost',
      message: `The node ${node} is gone, so how the command ended is not known.`,
      hint: 'The log shows how far the job came. Submit it again.',
    },
    stopped: state?.phase === 'running' && state.killAt !== undefined,
  },
})

/** The usage of a running attempt. Pure. */
export function usageOf(state: AttemptState, now: number): Usage | undefined {
  if (state.phase !== 'running') return undefined
  const { cpuSeconds, cores, memoryBytes, peakBytes } = read(state.meter, now)
  return { cpuSeconds, cores, memoryBytes, memoryPeakBytes: peakBytes }
}

function onSignal(state: Running, name: WarningSignal, { onSignal: handlers }: Behaviour, now: number): AttemptState {
  const handler = handlers?.[name]
  return handler === undefined ? exited(state, signalled(`SIG${name}`), now) : interrupted(state, handler, now)
}

/** Does other steps first, and then continues the interrupted one. */
function interrupted({ steps, waitsUntil, ...state }: Running, first: readonly Step[], now: number): Running {
  const rest: readonly Step[] =
    waitsUntil === undefined ? steps : [{ type: 'wait', ms: waitsUntil - now }, ...steps.slice(1)]
  return { ...state, steps: [...first, ...rest] }
}

function exited(state: Running, command: CommandEnd, now: number, killed = false): AttemptState {
  const stop = state.killAt === undefined ? undefined : stoppedBySignal(command.exitCode, killed)
  return end(state, { exitCode: command.exitCode, cause: stop ?? causeOfExit(command) }, now)
}

const killedForMemory = (state: Running, limitGb: number, now: number): AttemptState =>
  end(
    state,
    {
      exitCode: 137,
      cause: outOfMemory(limitGb, state.meter.peakBytes),
      memoryKills: { count: 1, firstAt: now, lastAt: now, limitGb },
    },
    now,
  )

function end(state: Running, outcome: Pick<Ending, 'exitCode' | 'cause' | 'memoryKills'>, now: number): AttemptState {
  const { startedAt, meter, killAt } = state
  const { cpuSeconds, peakBytes } = read(meter, now)
  const seconds = (now - startedAt) / 1000
  const usage: Usage = {
    cpuSeconds,
    memoryPeakBytes: peakBytes,
    ...(seconds > 0 ? { cores: cpuSeconds / seconds } : {}),
    ...(outcome.memoryKills === undefined ? {} : { oomKills: outcome.memoryKills.count }),
  }
  return { phase: 'ended', startedAt, ending: { at: now, ...outcome, usage, stopped: killAt !== undefined } }
}

const newMeter = (since: number): Meter => ({ since, cores: 0, memoryBytes: 0, cpuSeconds: 0, peakBytes: 0 })

const read = (meter: Meter, now: number): Meter => ({
  ...meter,
  since: now,
  cpuSeconds: meter.cpuSeconds + (meter.cores * (now - meter.since)) / 1000,
})

const signalled = (signal: NodeJS.Signals): CommandEnd => ({
  exitCode: 128 + constants.signals[signal],
  isSignal: true,
})
