/**
 * Why an attempt ended, as a code for programs. `docs/causes.md` lists the codes with what to do.
 *
 * - `exited`: the command ended by itself, with an exit code.
 * - `signalled`: a signal that the platform did not send ended the command.
 * - `out-of-memory`: the kernel killed the job because it needed more memory than its limit.
 * - `cancelled`: its owner or an administrator cancelled the job.
 * - `time-limit`: the job reached its time limit.
 * - `command-not-found`: the program is not in the image, or is not executable.
 * - `image-not-found`, `image-unauthorized`, `image-wrong-platform`, `image-unreachable`, `image-invalid`: the image could not be fetched.
 * - `disk-full`: the platform's disk had no room for the image or the job's files.
 * - `evicted`: the cluster or its operators ended the job: its node was drained or short of resources, or a more urgent job came.
 * - `lost`: the supervisor, the container or the machine disappeared without an exit code.
 * - `start-failed`: the working directory could not be entered, or the container could not be created for another reason, which the message names.
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
