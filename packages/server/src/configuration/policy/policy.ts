/** What may be held at once. Left out: no limit. Zero: none at all. */
export interface Limits {
  readonly cores?: number
  readonly memoryGb?: number
  readonly gpus?: number
  /** Jobs that hold capacity. */
  readonly running?: number
  /** Jobs that wait. LaneReservation at submission; the planner does not look at it. */
  readonly queued?: number
}

/** Limits by the hour. */
export interface LimitsByHour extends Limits {
  /** What replaces them in off-peak hours, value by value; what is left out stays. */
  readonly offPeak?: Limits
}

/** What is set for one user or group; what is left out is as the policy says for all. */
export interface QuotaSettings {
  /** Its part compared with others'. Default 1. Zero: no points for its share. */
  readonly weight?: number
  /** Replaces the policy's limits, value by value. */
  readonly limits?: LimitsByHour
}

/** A day of the week. */
export type Weekday = (typeof weekdays)[number]
export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

/** Hours in which other rules hold, by the clock of a time zone. */
export interface OffPeak {
  /** Days on whose evening it begins. */
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

/** The rules, as configured. `policyOf` (policy.ts) fills in defaults and refuses nonsense. */
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
  /** What was used counts half after this many hours. Default 168. */
  readonly halfLifeHours: number
  /** What memory and GPUs are worth in cores; a job is charged for the dearest of its three. Default 4 GiB, 16 cores. */
  readonly charge: { readonly memoryGbPerCore: number; readonly coresPerGpu: number }
  /** What an off-peak hour is charged, as a part of another. Default 0.5. */
  readonly offPeakCharge: number
  readonly offPeak?: OffPeak
  readonly backfill: {
    /** How many of the first jobs that lack capacity have some kept for them. Default 4. */
    readonly reservations: number
    /** Estimates are multiplied with this before they are trusted. Default 1.5. */
    readonly safety: number
    /** A job whose estimate was wrong delays a reservation by this many seconds at most. Default 14,400. */
    readonly maxDelaySeconds: number
  }
  readonly limits: { readonly user: LimitsByHour; readonly group: LimitsByHour }
}
