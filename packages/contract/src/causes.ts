/**
 * Why an attempt ended, as a code that programs may match on. `docs/causes.md` lists them with what to do.
 *
 * - `exited`: the command ended by itself, with an exit code.
 * - `signalled`: the command was ended by a signal that the platform did not send.
 * - `out-of-memory`: the kernel killed it because it needed more memory than its limit.
 * - `cancelled`: its owner asked for it.
 * - `time-limit`: it ran longer than it may.
 * - `command-not-found`: the program to run is not in the image, or may not be executed.
 * - `image-not-found`, `image-unauthorized`, `image-wrong-platform`, `image-unreachable`, `image-invalid`: the image could not be had.
 * - `disk-full`: the platform's disk had no room for the image or the job's files.
 * - `evicted`: the cluster, or somebody with rights on it, ended it: its node was emptied or short of something, or a more urgent job came.
 * - `lost`: the supervisor, the container or the machine went away without telling.
 * - `start-failed`: the container could not be made for another reason, which the message gives.
 */
export const causeCodes = [
  'exited',
  'signalled',
  'out-of-memory',
  'cancelled',
  'time-limit',
  'command-not-found',
  'image-not-found',
  'image-unauthorized',
  'image-wrong-platform',
  'image-unreachable',
  'image-invalid',
  'disk-full',
  'evicted',
  'lost',
  'start-failed',
] as const
export type CauseCode = (typeof causeCodes)[number]
