import { join } from 'node:path'
import { Option, type Command } from 'commander'
import {
  addGroup,
  addProject,
  addUser,
  disableUser,
  enableUser,
  inTurn,
  setUser,
  userNamed,
} from '../access/directory.ts'
import { ensureProjects, projectFolders } from '../access/project-folders.ts'
import { viewUser } from '../access/views.ts'
import type { Store, StoredAccount } from '../store/store.ts'
import { defineUserFiles } from './account-file-commands.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { printChange, printList, printJson, type OutputOptions } from './output/output.ts'

type Options = Location & OutputOptions

/** Defines the commands under `user`. */
export function define(user: Command): void {
  located(user.command('add <name>'))
    .description('add a user; --group also adds new groups, each with a directory under /arc/projects')
    .option('--group <group>', 'a group to be a member of (repeat for more)', collect)
    .option('--admin', 'make the user an administrator')
    .option('--uid <number>', "the user's POSIX id (default: the next free one)", Number)
    .option('--json', 'print the user as JSON')
    .addHelpText('after', '\nExample:\n  science-platform user add ada --group survey --data DIR')
    .action(add)
  located(user.command('list'))
    .description('list users with their ids and groups')
    .option('--json', 'as JSON')
    .action(list)
  located(user.command('show <name>')).description('show one user').option('--json', 'as JSON').action(show)
  located(user.command('set <name>'))
    .description('change a user; omitted options change nothing')
    .addOption(new Option('--admin <yes|no>', 'whether the user may administer the platform').choices(['yes', 'no']))
    .option('--group <group>', 'replace the groups of the user (repeat for more)', collect)
    .option('--json', 'print the user as JSON')
    .addHelpText('after', '\nExample:\n  science-platform user set ada --admin yes --data DIR')
    .action(set)
  located(user.command('disable <name>'))
    .description('revoke all tokens of a user and allow no new ones; jobs continue unless --cancel-jobs is given')
    .option('--cancel-jobs', 'also cancel the waiting and running jobs of the user')
    .option('--json', 'print the user as JSON')
    .addHelpText('after', '\nExample:\n  science-platform user disable ada --cancel-jobs --data DIR')
    .action(disable)
  located(user.command('enable <name>'))
    .description('allow new tokens for a disabled user; earlier tokens stay revoked')
    .option('--json', 'print the user as JSON')
    .action(enable)
  defineUserFiles(user)
}

const collect = (value: string, all: readonly string[] = []): string[] => [...all, value]

/** New groups get a project of the same name, which is what most sites need. */
async function add(
  name: string,
  options: Options & { readonly group?: readonly string[]; readonly admin?: true; readonly uid?: number },
): Promise<void> {
  const { uid, admin, group: groups = [] } = options
  await changeStore(options, { action: 'user add', subject: name }, async (store, config) => {
    await store.changeDirectory((directory) => {
      const fresh = [...new Set(groups)].filter((group) => !directory.groups.has(group))
      const projects = fresh.filter((group) => !directory.projects.has(group))
      return inTurn(
        ...fresh.map((group) => addGroup({ name: group })),
        ...projects.map((group) => addProject({ name: group, group })),
        addUser({ name, uid, admin, groups }),
      )(directory)
    })
    const directory = await store.directory()
    const user = userNamed(directory, name)
    await ensureProjects(projectFolders(join(config.dataDir, 'arc', 'projects')), directory)
    const ids = [`uid ${user.uid}`, ...user.groups.map((group) => `${group.name} ${group.gid}`)]
    printChange(viewUser(user), options, `added ${name} (${ids.join(', ')})`)
  })
}

async function list(options: Options): Promise<void> {
  const { users } = await withStore(options, (store) => store.directory())
  printList([...users.values()].map(viewUser), options, {
    NAME: (user) => user.name,
    UID: (user) => String(user.uid),
    GROUPS: (user) => user.groups.map((group) => group.name).join(','),
    ADMIN: (user) => (user.admin ? 'yes' : ''),
    DISABLED: (user) => user.disabledAt?.slice(0, 10) ?? '',
  })
}

async function show(name: string, options: Options): Promise<void> {
  const user = viewUser(await withStore(options, (store) => storedUser(store, name)))
  if (options.json) return printJson(user)
  const lines: Readonly<Record<string, string>> = {
    Name: user.name,
    Uid: String(user.uid),
    Gid: String(user.gid),
    Groups: user.groups.map((group) => `${group.name} (${group.gid})`).join(', '),
    Admin: user.admin ? 'yes' : 'no',
    ...(user.disabledAt === undefined ? {} : { Disabled: `since ${user.disabledAt}` }),
    ...(user.cancelJobs === true ? { Jobs: 'are cancelled' } : {}),
  }
  for (const [key, value] of Object.entries(lines)) process.stdout.write(`${key.padEnd(9)} ${value}`.trimEnd() + '\n')
}

async function set(
  name: string,
  options: Options & { readonly admin?: 'yes' | 'no'; readonly group?: readonly string[] },
): Promise<void> {
  const { group: groups } = options
  const admin = options.admin === undefined ? undefined : options.admin === 'yes'
  if (admin === undefined && groups === undefined)
    throw new Error('There is nothing to change. Give --admin or --group.')
  await changeStore(options, { action: 'user set', subject: name }, async (store) => {
    await store.changeDirectory(setUser(name, { admin, groups }))
    printChange(viewUser(await storedUser(store, name)), options, `changed ${name}`)
  })
}

async function disable(name: string, options: Options & { readonly cancelJobs?: true }): Promise<void> {
  const cancelJobs = options.cancelJobs === true
  await changeStore(options, { action: 'user disable', subject: name }, async (store) => {
    await store.changeDirectory(disableUser(name, { cancelJobs, now: Date.now() }))
    const jobs = cancelJobs ? '; the server cancels the jobs, now or when it starts' : '; the jobs continue'
    printChange(viewUser(await storedUser(store, name)), options, `disabled ${name}; all tokens are revoked${jobs}`)
  })
}

async function enable(name: string, options: Options): Promise<void> {
  await changeStore(options, { action: 'user enable', subject: name }, async (store) => {
    await store.changeDirectory(enableUser(name))
    const hint = `earlier tokens stay revoked; create one: science-platform token create ${name}`
    printChange(viewUser(await storedUser(store, name)), options, `enabled ${name}; ${hint}`)
  })
}

const storedUser = async (store: Store, name: string): Promise<StoredAccount> =>
  userNamed(await store.directory(), name)
