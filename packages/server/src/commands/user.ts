import { chmod, chown, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { checkAccountName, firstGid, firstUid, nextId } from '../access/accounts.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { printTable } from './table.ts'

/** Defines the commands under `user`. */
export function define(user: Command): void {
  located(user.command('add <name>'))
    .description('add a user; with --group also the group and its directory under /arc/projects')
    .option('--group <group>', 'a group to be a member of (repeat for more)', collect, [])
    .option('--admin', 'may administer the platform')
    .option('--uid <number>', "the user's POSIX id (default: the next free one)", Number)
    .addHelpText('after', '\nExample:\n  science-platform user add ada --group survey --data DIR')
    .action(addUser)
  located(user.command('list'))
    .description('list users with their ids and groups')
    .option('--json', 'as JSON')
    .action(listUsers)
}

const collect = (value: string, all: readonly string[]): string[] => [...all, value]

/** `user add`: the account, its groups, and a project directory for each group. */
async function addUser(
  name: string,
  options: Location & { readonly group: readonly string[]; readonly admin?: true; readonly uid?: number },
): Promise<void> {
  checkAccountName('user', name)
  for (const group of options.group) checkAccountName('group', group)
  const { uid: asked } = options
  if (asked !== undefined && !(Number.isInteger(asked) && asked >= 1 && asked < 2 ** 31)) {
    throw new Error(`--uid takes a whole number from 1 on; 0 would be root, whom no job may be.`)
  }
  await changeStore(options, { action: 'user add', subject: name }, async (store, config) => {
    const accounts = await store.accounts()
    if (accounts.some((account) => account.name === name)) throw new Error(`There is a user ${name} already.`)
    const uid =
      asked ??
      nextId(
        firstUid,
        accounts.map((account) => account.uid),
      )
    const other = accounts.find((account) => account.uid === uid)
    if (other !== undefined)
      throw new Error(`The id ${uid} is the user ${other.name}'s. Take another, or leave out --uid.`)
    const groups: { name: string; gid: number }[] = []
    for (const group of new Set(options.group)) {
      const used = (await store.groups()).map(({ gid }) => gid)
      const gid = await store.ensureGroup(group, nextId(firstGid, used))
      groups.push({ name: group, gid })
      await makeProject(join(config.dataDir, 'arc', 'projects', group), gid)
    }
    await store.addAccount({ name, uid, gid: uid, admin: options.admin === true, groups })
    process.stderr.write(
      `added ${name} (uid ${uid}${groups.map((group) => `, ${group.name} ${group.gid}`).join('')})\n`,
    )
  })
}

/** A group's directory: its members write, what they make there stays the group's, others have no way in. */
async function makeProject(path: string, gid: number): Promise<void> {
  if ((await mkdir(path, { recursive: true })) === undefined) return
  // An ordinary user cannot give files away: there, all jobs run as that one user.
  if (process.getuid?.() === 0) await chown(path, 0, gid)
  await chmod(path, 0o2770)
}

/** `user list` */
async function listUsers(options: Location & { readonly json?: true }): Promise<void> {
  const accounts = await withStore(options, (store) => store.accounts())
  if (options.json) {
    process.stdout.write(`${JSON.stringify(accounts, undefined, 2)}\n`)
    return
  }
  printTable(
    ['NAME', 'UID', 'GROUPS', 'ADMIN'],
    accounts.map(({ name, uid, groups, admin }) => [
      name,
      String(uid),
      groups.map((group) => group.name).join(','),
      admin ? 'yes' : '',
    ]),
  )
}
