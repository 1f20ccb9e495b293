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
  /** Bytes of one word of cmd or args, or of one variable with its name: the kernel takes less (execve(2), MAX_ARG_STRLEN). */
  wordBytes: 131_072,
  /**
   * Bytes of all words and variables together, with eight for the pointer to each. The kernel takes a quarter of the stack's
   * 8 MiB (execve(2)); the rest is for what the image and the platform add.
   */
  commandBytes: 1_835_008,
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
