/** What a user or group may hold at once. Omitted: no limit. Zero: none. */
export interface Limits {
  readonly cores?: number
  readonly memoryGb?: number
  readonly gpus?: number
  /** Jobs that hold capacity. */
  readonly running?: number
  /** Jobs that wait. Submission enforces it; the planner ignores it. */
  readonly queued?: number
}

/** Limits that may differ in off-peak hours. */
export interface LimitsByHour extends Limits {
  /** Values for off-peak hours; omitted ones stay. */
  readonly offPeak?: Limits
}

/** Settings of one user or group; omitted ones follow the policy. */
export interface Holder {
  /** Its weight relative to others. Zero: no points for its share. @defaultValue 1 */
  readonly weight?: number
  /** Values that replace the policy's limits. */
  readonly limits?: LimitsByHour
}

/** A day of the week. */
export type Weekday = (typeof weekdays)[number]
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** Hours with other rules, by the clock of a time zone. */
export interface OffPeak {
  /** Days on whose evening the window begins. */
  readonly days: readonly Weekday[]
  /** `HH:MM` */
  readonly from: string
  /** `HH:MM`; on the next day unless it is after `from`. */
  readonly to: string
  /**
   * Days that are off-peak throughout; where the window passes midnight, until `to` on the day after. `true`: Saturday and
   * Sunday.
   */
  readonly weekends: boolean | readonly Weekday[]
  /** IANA name. */
  readonly timezone: string
}

/** The rules of the queue. `policyOf` completes and validates them. */
export interface Policy {
  /** Small: at most this of each resource. Large: at least this of one resource. GPUs do not count. */
  readonly classes: {
    readonly small: { readonly cores: number; readonly memoryGb: number }
    readonly large: { readonly cores: number; readonly memoryGb: number }
  }
  /** The most points of each term. A point is worth an hour of waiting. */
  readonly points: {
    /** By class. Default 12, 6, 0. */
    readonly class: { readonly small: number; readonly normal: number; readonly large: number }
    /** Default 12. */
    readonly groupShare: number
    /** Default 12. */
    readonly userShare: number
    /** For a job with `by`, growing over the last day before it must start. Default 6. */
    readonly deadline: number
  }
  /** Hours after which usage counts half. Default 168. */
  readonly halfLifeHours: number
  /** Memory and GPUs in cores; a job is charged for the largest of the three. Default 4 GiB a core, 16 cores a GPU. */
  readonly charge: { readonly memoryGbPerCore: number; readonly coresPerGpu: number }
  /** The charge of an off-peak hour relative to another hour. Default 0.5. */
  readonly offPeakCharge: number
  readonly offPeak?: OffPeak
  readonly backfill: {
    /** Jobs at the head of the queue that get a reservation. Default 4. */
    readonly reservations: number
    /** Factor on run time estimates. Default 1.5. */
    readonly safety: number
    /** The most seconds by which a job with a wrong estimate delays a reservation. Default 14,400. */
    readonly maxDelaySeconds: number
  }
  readonly limits: { readonly user: LimitsByHour; readonly group: LimitsByHour }
}
