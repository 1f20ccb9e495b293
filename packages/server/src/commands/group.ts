import type { Command } from 'commander'
import { addGroup, addMember, groupNamed, removeMember, type DirectoryStep } from '../access/directory.ts'
import { viewGroup } from '../access/views.ts'
import { defineGroupFile } from './account-file-commands.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { printChange, printList, type OutputOptions } from './output/output.ts'

type Options = Location & OutputOptions

/** Defines the commands under `group`. */
export function define(group: Command): void {
  located(group.command('add <name>'))
    .description('add a group, without members')
    .option('--gid <number>', "the group's POSIX id (default: the next free one)", Number)
    .option('--json', 'print the group as JSON')
    .addHelpText('after', '\nExample:\n  science-platform group add survey --data DIR')
    .action((name: string, options: Options & { readonly gid?: number }) =>
      change(
        { action: 'group add', subject: name },
        name,
        addGroup({ name, gid: options.gid }),
        options,
        `added ${name}`,
      ),
    )
  located(group.command('list'))
    .description('list groups with their ids and members')
    .option('--json', 'as JSON')
    .action(list)
  located(group.command('add-member <group> <user>'))
    .description("add a user to a group; takes effect with the user's next job")
    .option('--json', 'print the group as JSON')
    .action((name: string, user: string, options: Options) =>
      change(
        { action: 'group add-member', subject: `${name}/${user}` },
        name,
        addMember(name, user),
        options,
        `${user} is in ${name}`,
      ),
    )
  located(group.command('remove-member <group> <user>'))
    .description("remove a user from a group; takes effect with the user's next job")
    .option('--json', 'print the group as JSON')
    .action((name: string, user: string, options: Options) =>
      change(
        { action: 'group remove-member', subject: `${name}/${user}` },
        name,
        removeMember(name, user),
        options,
        `${user} is not in ${name}`,
      ),
    )
  defineGroupFile(group)
}

async function change(
  audited: { readonly action: string; readonly subject: string },
  name: string,
  step: DirectoryStep,
  options: Options,
  line: string,
): Promise<void> {
  await changeStore(options, audited, async (store) => {
    await store.changeDirectory(step)
    const directory = await store.directory()
    const group = viewGroup(directory, groupNamed(directory, name))
    printChange(group, options, `${line} (gid ${group.gid})`)
  })
}

async function list(options: Options): Promise<void> {
  const directory = await withStore(options, (store) => store.directory())
  printList(
    [...directory.groups.values()].map((group) => viewGroup(directory, group)),
    options,
    { NAME: (group) => group.name, GID: (group) => String(group.gid), MEMBERS: (group) => group.members.join(',') },
  )
}
