import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { parse } from 'yaml'
import { ifThere } from '../../../lib/files.ts'

const Edits = Type.Object({
  env: Type.Optional(Type.Array(Type.String())),
  deviceNodes: Type.Optional(Type.Array(Type.Object({ path: Type.String(), hostPath: Type.Optional(Type.String()) }))),
  mounts: Type.Optional(
    Type.Array(
      Type.Object({
        hostPath: Type.String(),
        containerPath: Type.String(),
        options: Type.Optional(Type.Array(Type.String())),
      }),
    ),
  ),
  hooks: Type.Optional(
    Type.Array(
      Type.Object({
        hookName: Type.String(),
        path: Type.String(),
        args: Type.Optional(Type.Array(Type.String())),
        env: Type.Optional(Type.Array(Type.String())),
        timeout: Type.Optional(Type.Number()),
      }),
    ),
  ),
})

const Spec = Type.Object({
  kind: Type.String(),
  devices: Type.Array(
    Type.Object({ name: Type.Union([Type.String(), Type.Number()]), containerEdits: Type.Optional(Edits) }),
  ),
  containerEdits: Type.Optional(Edits),
})

/** What a container needs for a device, in the words of the Container Device Interface. */
export type CdiEdits = Static<typeof Edits>
/** A file of the Container Device Interface (CDI, SPEC.md 0.6), as far as it is used. */
export type CdiSpec = Static<typeof Spec>

/** Where CDI files are; a file in a later folder has precedence (CDI, SPEC.md). */
const cdiFolders = ['/etc/cdi', '/var/run/cdi']

/**
 * The description of this machine's NVIDIA GPUs that the container toolkit wrote (`nvidia-ctk cdi generate`); undefined where there is none.
 *
 * @throws Error where a file is no CDI file.
 */
export async function readCdi(folders: readonly string[] = cdiFolders): Promise<CdiSpec | undefined> {
  let found: CdiSpec | undefined
  for (const folder of folders)
    for (const name of ((await ifThere(readdir(folder))) ?? []).sort()) {
      if (!/\.(ya?ml|json)$/.test(name)) continue
      const spec = parseCdi(await readFile(join(folder, name), 'utf8'), join(folder, name))
      if (spec.kind === 'nvidia.com/gpu') found = spec
    }
  return found
}

/** Reads a CDI file. Pure. @throws Error that names the file. */
export function parseCdi(text: string, file: string): CdiSpec {
  const spec: unknown = parse(text)
  if (Value.Check(Spec, spec)) return spec
  const [fault] = Value.Errors(Spec, spec)
  const reason = fault === undefined ? '' : `${fault.instancePath} ${fault.message}`
  throw new Error(`${file} is no CDI file: ${reason}; make it again with nvidia-ctk cdi generate`)
}

/** The edits for some GPUs: those of the file, and those of the device that has the node of each GPU and of no other. Pure. */
export function editsFor(spec: CdiSpec, gpus: readonly number[]): CdiEdits {
  const edits = [spec.containerEdits, ...gpus.map((gpu) => deviceOf(spec, gpu)?.containerEdits)].filter(
    (each) => each !== undefined,
  )
  return {
    env: edits.flatMap(({ env = [] }) => env),
    deviceNodes: edits.flatMap(({ deviceNodes = [] }) => deviceNodes),
    mounts: edits.flatMap(({ mounts = [] }) => mounts),
    hooks: edits.flatMap(({ hooks = [] }) => hooks),
  }
}

/** Devices may be named by number, by UUID, or both, and one stands for all GPUs. */
const deviceOf = ({ devices }: CdiSpec, gpu: number) =>
  devices.find(({ containerEdits }) => {
    const nodes = (containerEdits?.deviceNodes ?? []).filter(({ path }) => /^\/dev\/nvidia\d+$/.test(path))
    return nodes.length === 1 && nodes[0]?.path === `/dev/nvidia${gpu}`
  })
