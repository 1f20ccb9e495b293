/** Bounds of every request, on every API. */
export const limits = {
  /** Characters in the name of a job, which is also the host name of its container (RFC 1123). */
  nameLength: 63,
  /** Cores of a job. */
  cores: 256,
  /** GiB of memory of a job. */
  memoryGb: 512,
  /** GPUs of a job. */
  gpus: 28,
  /** Jobs in one request. */
  replicas: 10_000,
  /** Requests in one batch. */
  batch: 1_000,
  /** Bytes of one word, or of one variable with its name, must be below this (execve(2), MAX_ARG_STRLEN). */
  wordBytes: 131_072,
  /**
   * Bytes of all words and variables together, with eight for the pointer to each. The kernel accepts a quarter of the 8 MiB
   * stack (execve(2)); the rest is for variables of the image and the platform.
   */
  commandBytes: 1_835_008,
  /** Bytes of a path (PATH_MAX without its final NUL). */
  pathBytes: 4095,
  /** Environment variables. */
  envEntries: 1_000,
  /** Labels of a job. */
  labels: 32,
  /** Characters of a label's key. */
  labelKeyLength: 63,
  /** Characters of a label's value. */
  labelValueLength: 255,
  /** Longest time limit in seconds: 30 days. */
  timeSeconds: 2_592_000,
  /** Days that a start time may be ahead. */
  daysAhead: 366,
  /** Seconds between SIGTERM and SIGKILL. */
  graceSeconds: 3_600,
  /** Longest lifetime of a token and longest overlap of a rotation, in seconds: ten years. */
  tokenSeconds: 315_360_000,
} as const
