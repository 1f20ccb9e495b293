import { stat } from 'node:fs/promises'
import { ifThere } from '../../../lib/files.ts'
import { editsFor, readCdi, type CdiEdits } from './cdi.ts'
import { readDevice, type Device, type GpuDevices } from './devices.ts'

/** What a container gets for its GPUs. */
export interface GpuGrant {
  readonly devices: readonly Device[]
  /** Defaults of variables; the job's own take precedence. */
  readonly env: Readonly<Record<string, string>>
  /** Files of the driver. */
  readonly mounts: readonly {
    readonly source: string
    readonly destination: string
    readonly options: readonly string[]
  }[]
  readonly hooks: NonNullable<CdiEdits['hooks']>
}

/**
 * The device nodes of these GPUs and no others, the control nodes, and where the container toolkit describes the machine's GPUs the files
 * and hooks of the driver.
 *
 * @param numbers GPUs of {@link GpuDevices}.
 */
export async function grantGpus(
  numbers: readonly number[],
  { gpus, control }: GpuDevices,
  cdiFolders?: readonly string[],
): Promise<GpuGrant> {
  const cdi = await readCdi(cdiFolders)
  const edits = cdi === undefined ? {} : editsFor(cdi, numbers)
  const own = numbers.flatMap((number) => gpus.get(number) ?? [])
  const further: Device[] = []
  for (const { path, hostPath = path } of edits.deviceNodes ?? []) {
    // The node of another GPU is never granted, whatever the file says.
    const device = /^\/dev\/nvidia\d+$/.test(path) ? undefined : await readDevice(hostPath, path)
    if (device !== undefined) further.push(device)
  }
  const mounts: GpuGrant['mounts'][number][] = []
  for (const { hostPath, containerPath, options = ['ro', 'bind'] } of edits.mounts ?? [])
    // What the toolkit found may be gone, such as the socket of a stopped service.
    if ((await ifThere(stat(hostPath))) !== undefined)
      mounts.push({ source: hostPath, destination: containerPath, options: [...options, 'nosuid', 'nodev'] })
  return {
    devices: uniqueByPath([...own, ...control, ...further]),
    env: { ...variablesOf(edits.env ?? []), ...visibleDevices(numbers) },
    mounts,
    hooks: edits.hooks ?? [],
  }
}

/**
 * CUDA counts the GPUs that a process may open, from 0. NVIDIA_VISIBLE_DEVICES has the machine's numbers, as the container toolkit sets
 * it. Pure.
 */
export const visibleDevices = (numbers: readonly number[]): Readonly<Record<string, string>> => ({
  CUDA_VISIBLE_DEVICES: numbers.map((_, i) => i).join(','),
  NVIDIA_VISIBLE_DEVICES: numbers.join(','),
})

const variablesOf = (lines: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    lines.map((line) => {
      const [key = '', ...value] = line.split('=')
      return [key, value.join('=')]
    }),
  )

const uniqueByPath = (devices: readonly Device[]): readonly Device[] => [
  ...new Map(devices.map((device) => [device.path, device])).values(),
]
