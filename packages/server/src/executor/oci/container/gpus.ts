import { stat } from 'node:fs/promises'
import { join } from 'node:path'

/** A device node of this machine for containers. */
export interface Device {
  readonly path: string
  readonly major: number
  readonly minor: number
}

/** The NVIDIA device nodes among the names in /dev: one for each GPU, and the control nodes that every GPU job needs. */
export const gpuDeviceNames = (names: readonly string[]): string[] =>
  names.filter((name) => /^nvidia(\d+|ctl|-uvm|-uvm-tools|-modeset)$/.test(name)).sort()

/** Reads the numbers of the GPU devices. Links and plain files with such names are skipped. */
export async function gpuDevices(names: readonly string[]): Promise<Device[]> {
  const devices: Device[] = []
  for (const name of gpuDeviceNames(names)) {
    const path = join('/dev', name)
    const node = await stat(path)
    // makedev(3) for the kernel's 32-bit device numbers.
    const { rdev } = node
    if (node.isCharacterDevice())
      devices.push({ path, major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) })
  }
  return devices
}
