/** Bounds that every request is held to, wherever it comes in. */
export const limits = {
  /** Characters in a job's name, from RFC 1123: it is also the container's host name. */
  nameLength: 63,
  /** Whole cores a job may ask for. */
  cores: 256,
  /** Gibibytes a job may ask for. */
  memoryGb: 512,
  /** GPUs a job may ask for. */
  gpus: 28,
  /** Jobs in one request. */
  replicas: 10_000,
  /** Bytes of cmd, args and env together: the kernel's own limit on one argument is 128 KiB (execve(2)). */
  commandBytes: 131_072,
  /** Environment variables. */
  envEntries: 1_000,
  /** Seconds a job may run: 30 days. */
  timeSeconds: 2_592_000,
  /** Days ahead that a job may be told to wait for. */
  daysAhead: 366,
  /** Seconds between SIGTERM and SIGKILL. */
  graceSeconds: 3_600,
  /** Seconds for which a token may be asked, and for which it may stay good after it was replaced: ten years. */
  tokenSeconds: 315_360_000,
} as const
