/** The most that may be allocated at once. Left out: no limit. Zero: none at all. */
export interface Limits {
  readonly cores?: number
  readonly memoryGb?: number
  readonly gpus?: number
  /** Jobs with an allocation. */
  readonly running?: number
  /** Jobs that wait. Applies at submission; the planner does not read it. */
  readonly queued?: number
}

/** Limits by hour. */
export interface LimitsByHour extends Limits {
  /** Replaces them in off-peak hours, value by value; a value that is left out stays. */
  readonly offPeak?: Limits
}

/** The settings of one quota holder; what is left out is as the policy says for all. */
export interface QuotaSettings {
  /** Its part of the platform relative to others. Default 1. Zero: no points for its share. */
  readonly weight?: number
  /** Replaces the policy's limits, value by value. */
  readonly limits?: LimitsByHour
}

/** A day of the week. */
export type Weekday = (typeof weekdays)[number]
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** Hours with other rules, by the clock of a time zone. */
export interface OffPeak {
  /** Days on which the window begins. */
  readonly days: readonly Weekday[]
  /** `HH:MM` */
  readonly from: string
  /** `HH:MM`; on the next day where it is not after `from`. */
  readonly to: string
  /**
   * Days that are off-peak throughout, and up to `to` on the day after where the window goes over midnight. `true`: Saturday
   * and Sunday.
   */
  readonly weekends: boolean | readonly Weekday[]
  /** IANA name. */
  readonly timezone: string
}

/** The rules, as configured. `policyOf` (policy-of.ts) fills in defaults and refuses invalid values. */
export interface Policy {
  /** Small: no more of anything than this. Large: at least this of anything. GPUs make no class. */
  readonly classes: {
    readonly small: { readonly cores: number; readonly memoryGb: number }
    readonly large: { readonly cores: number; readonly memoryGb: number }
  }
  /** Points that each term may give at most. A point is worth an hour of waiting. */
  readonly points: {
    /** By class. Default 12, 6, 0. */
    readonly class: { readonly small: number; readonly normal: number; readonly large: number }
    /** Default 12. */
    readonly groupShare: number
    /** Default 12. */
    readonly userShare: number
  }
  /** Usage counts half after this many hours. Default 168. */
  readonly halfLifeHours: number
  /** Memory and GPUs in cores; a job is charged for the most of the three. Default 4 GiB a core, 16 cores a GPU. */
  readonly charge: { readonly memoryGbPerCore: number; readonly coresPerGpu: number }
  /** The charge of an off-peak hour as a part of another hour's. Default 0.5. */
  readonly offPeakCharge: number
  readonly offPeak?: OffPeak
  readonly backfill: {
    /** How many of the first jobs that lack capacity get a reservation. Default 2. */
    readonly reservations: number
    /** Seconds that a job waits before it gets a reservation: until then any job that fits starts. Default 1,800. */
    readonly reserveAfterSeconds: number
    /** A job starts before a reservation by past runs if it ends in time with this probability. Default 0.95. */
    readonly confidence: number
    /** Once its start has slipped by more seconds than this, a reservation may move to another node. Default 14,400. */
    readonly maxDelaySeconds: number
  }
  readonly limits: { readonly user: LimitsByHour; readonly group: LimitsByHour }
}
