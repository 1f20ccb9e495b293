import { join } from 'node:path'
import type { Command } from 'commander'
import { addProject, groupNamed, setProject, type DirectoryStep } from '../access/directory.ts'
import { projectFolders } from '../access/project-folders.ts'
import { repairProject } from '../access/project-repair.ts'
import { InvalidRequest } from '../job/invalid.ts'
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
  located(project.command('repair <name>'))
    .description('give everything in a project to its group: group, rights of the group, setgid of directories')
    .option('--json', 'print the counts as JSON')
    .addHelpText('after', '\nExample:\n  science-platform project repair night-survey --data DIR')
    .action(repair)
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

/** Jobs may run meanwhile. Counts go to standard error while it works, since a project may have millions of files. */
async function repair(name: string, options: Location & OutputOptions): Promise<void> {
  await changeStore(options, { action: 'project repair', subject: name }, async (store, config) => {
    const directory = await store.directory()
    const project = directory.projects.get(name)
    if (project === undefined)
      throw new InvalidRequest('project', `there is no project ${name}`, 'List them: science-platform project list')
    const { gid } = groupNamed(directory, project.group)
    const folder = join(config.dataDir, 'arc', 'projects')
    await projectFolders(folder).ensure(name, gid)
    const count = await repairProject(join(folder, name), gid, ({ seen, repaired }) => {
      process.stderr.write(`${seen} files looked at, ${repaired} repaired\n`)
    })
    printChange(
      { name, ...count },
      options,
      `looked at ${count.seen} files of /arc/projects/${name}, repaired ${count.repaired}` +
        (count.skipped === 0 ? '' : `, left ${count.skipped} alone (links, files with several names, pipes)`),
    )
  })
}

async function list(options: Options): Promise<void> {
  const { projects } = await withStore(options, (store) => store.directory())
  printList([...projects.values()], options, { NAME: (project) => project.name, GROUP: (project) => project.group })
}
