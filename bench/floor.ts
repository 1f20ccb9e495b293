import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parallelism, type Started, sinceAsked, tellTime } from './contender.ts'
import { processorOf } from './processor.ts'
import { run } from './run-program.ts'

const script = fileURLToPath(new URL('floor.sh', import.meta.url))

/** The parts of runc's example configuration (`runc spec`) that the loop changes. */
interface Spec {
  process: { terminal: boolean; args: readonly string[] }
  root: { readonly: boolean }
}

/** The floor: a shell loop over `runc` with an overlay mount, several containers at the same time. */
export async function startFloor(folder: string, rootFolder: string): Promise<Started> {
  await mkdir(folder, { recursive: true })
  await run('cp', ['-a', rootFolder, `${folder}/root`])
  await run('runc', ['spec', '--bundle', folder])
  const spec = JSON.parse(await readFile(`${folder}/config.json`, 'utf8')) as Spec
  const useCommand = async (args: readonly string[], name: string): Promise<void> => {
    spec.process = { ...spec.process, terminal: false, args }
    spec.root = { ...spec.root, readonly: false }
    await writeFile(`${folder}/${name}`, JSON.stringify(spec))
  }
  await useCommand(['/bin/true'], 'true.json')
  await useCommand(tellTime, 'time.json')

  let made = 0
  const version = (await run('runc', ['--version'])).split('\n')[0] ?? ''
  return {
    contenders: [
      {
        name: 'runc loop',
        description: `shell script (mkdir, mount overlay, runc run, umount, rm) by xargs -P ${parallelism}; ${version}`,
        async runTrue(count) {
          await copyFile(`${folder}/true.json`, `${folder}/config.json`)
          const first = made + 1
          made += count
          await run('sh', ['-c', `seq ${first} ${made} | xargs -P ${parallelism} -n 1 sh "$0" "$1"`, script, folder])
          const exits = await run('sh', [
            '-c',
            `cd "$0" && seq ${first} ${made} | sed 's,$,/exit,' | xargs cat`,
            folder,
          ])
          const failed = exits
            .trim()
            .split('\n')
            .filter((code) => code !== '0')
          if (failed.length > 0) throw new Error(`runc loop: ${failed.length} of ${count} containers failed`)
        },
        async firstInstruction() {
          await copyFile(`${folder}/time.json`, `${folder}/config.json`)
          made += 1
          const askedAt = Date.now()
          await run('sh', [script, folder, String(made)])
          return sinceAsked(askedAt, await readFile(`${folder}/${made}/log`, 'utf8'))
        },
        // The loop runs as children of this process, and nothing else does while it is measured.
        processor: () => ({ serverMs: 0, restMs: processorOf('self').childrenMs }),
      },
    ],
    async stop() {
      await rm(folder, { recursive: true, force: true })
    },
  }
}
