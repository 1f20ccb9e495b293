/** When a job may start: at any time, or in the off-peak hours only. */
export const startTimes = ['any', 'off-peak'] as const
/** One of {@link startTimes}. */
export type StartTime = (typeof startTimes)[number]

/** Signals that a job may ask for as a warning before its time is over. */
export const warningSignals = ['USR1', 'USR2', 'HUP', 'INT', 'TERM'] as const
/** One of {@link warningSignals}. */
export type WarningSignal = (typeof warningSignals)[number]
