import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ifThere } from '../../../lib/files.ts'

/** A device node of this machine for containers. */
export interface Device {
  /** Its path in a container. */
  readonly path: string
  readonly major: number
  readonly minor: number
}

/** The NVIDIA device nodes of this machine. */
export interface GpuDevices {
  /** The node of each GPU, by its number. */
  readonly gpus: ReadonlyMap<number, Device>
  /** The control nodes that every job with a GPU needs. */
  readonly control: readonly Device[]
}

/** Number of a GPU in the name of its node, `nvidia3`. Pure. */
const gpuNumber = (name: string): number | undefined => {
  const digits = /^nvidia(\d+)$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

const isControl = (name: string): boolean => /^nvidia(ctl|-uvm|-uvm-tools|-modeset)$/.test(name)

/**
 * Reads the device nodes of GPUs. The driver makes some of them when a program first uses a GPU, so they are read for every job. Links and
 * plain files with such names are skipped.
 *
 * @param folder where the nodes are. @defaultValue '/dev'
 */
export async function readGpuDevices(folder = '/dev'): Promise<GpuDevices> {
  const gpus = new Map<number, Device>()
  const control: Device[] = []
  for (const name of (await readdir(folder)).sort()) {
    const number = gpuNumber(name)
    if (number === undefined && !isControl(name)) continue
    const device = await readDevice(join(folder, name), join('/dev', name))
    if (device === undefined) continue
    if (number === undefined) control.push(device)
    else gpus.set(number, device)
  }
  return { gpus, control }
}

/** The device node at a path of this machine; undefined where there is none. @param path its path in a container. */
export async function readDevice(hostPath: string, path: string): Promise<Device | undefined> {
  const node = await ifThere(stat(hostPath))
  if (node === undefined || !node.isCharacterDevice()) return undefined
  const { rdev } = node
  // makedev(3) for the kernel's 32-bit device numbers.
  return { path, major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) }
}
