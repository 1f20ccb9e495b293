import { join } from 'node:path'
import type { Command } from 'commander'
import { addProject, groupNamed, setProject, type DirectoryStep } from '../access/directory.ts'
import { projectFolders } from '../access/project-folders.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { printChange, printList, type OutputOptions } from './output/output.ts'

type Options = Location & OutputOptions & { readonly group: string }

/** Defines the commands under `project`. */
export function define(project: Command): void {
  located(project.command('add <name>'))
    .description('add a directory under /arc/projects for a group')
    .requiredOption('--group <group>', 'the group of the project')
    .option('--json', 'print the project as JSON')
    .addHelpText('after', '\nExample:\n  science-platform project add night-survey --group survey --data DIR')
    .action((name: string, options: Options) =>
      change(name, addProject({ name, group: options.group }), options, 'add'),
    )
  located(project.command('list'))
    .description('list projects with their groups')
    .option('--json', 'as JSON')
    .action(list)
  located(project.command('set <name>'))
    .description('change the group of a project, and of all files that belong to the old group')
    .requiredOption('--group <group>', 'the new group of the project')
    .option('--json', 'print the project as JSON')
    .action((name: string, options: Options) =>
      change(name, setProject({ name, group: options.group }), options, 'set'),
    )
}

/** Writes the store first, then the directory. Repeating the command completes an interrupted one. */
async function change(name: string, step: DirectoryStep, options: Options, verb: 'add' | 'set'): Promise<void> {
  const { group } = options
  await changeStore(options, { action: `project ${verb}`, subject: name }, async (store, config) => {
    await store.changeDirectory(step)
    const { gid } = groupNamed(await store.directory(), group)
    await projectFolders(join(config.dataDir, 'arc', 'projects')).give(name, gid)
    printChange(
      { name, group },
      options,
      `${verb === 'add' ? 'added' : 'changed'} /arc/projects/${name} (group ${group} ${gid})`,
    )
  })
}

async function list(options: Options): Promise<void> {
  const { projects } = await withStore(options, (store) => store.directory())
  printList([...projects.values()], options, { NAME: (project) => project.name, GROUP: (project) => project.group })
}
