/** When a job may start: at any time, or only in the off-peak hours. */
export const startTimes = ['any', 'off-peak'] as const
/** One of {@link startTimes}. */
export type StartTime = (typeof startTimes)[number]

/** Signals that can warn a job before its time limit. */
export const warningSignals = ['USR1', 'USR2', 'HUP', 'INT', 'TERM'] as const
/** One of {@link warningSignals}. */
export type WarningSignal = (typeof warningSignals)[number]
