import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { groupFileOf, machineIds, passwdOf, planImport, type ImportPlan } from '../access/account-files.ts'
import type { Directory, DirectoryChange } from '../store/store.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { printJson, type OutputOptions } from './output/output.ts'

interface ImportOptions extends Location, OutputOptions {
  readonly passwd?: string
  readonly group?: string
  readonly minId: number
  readonly dryRun?: true
}

/** Defines `user export` and `user import`. */
export function defineUserFiles(user: Command): void {
  located(user.command('export'))
    .description('print the users as a passwd file, passwd(5)')
    .addHelpText('after', '\nExample:\n  science-platform user export --data DIR > passwd')
    .action((options: Location) => printFile(options, passwdOf))
  located(user.command('import'))
    .description('add the users and groups of passwd and group files, all or none')
    .option('--passwd <file>', 'a passwd file, passwd(5)')
    .option('--group <file>', 'a group file, group(5); sets the members of the groups in it')
    .option('--min-id <number>', 'refuse lower ids, which belong to the machine', Number, machineIds)
    .option('--dry-run', 'print the changes without writing them')
    .option('--json', 'print the changes as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  science-platform user import --passwd passwd --group group --dry-run --data DIR',
    )
    .action(importFiles)
}

/** Defines `group export`. */
export function defineGroupFile(group: Command): void {
  located(group.command('export'))
    .description("print the groups as a group file, group(5), with the users' own groups")
    .addHelpText('after', '\nExample:\n  science-platform group export --data DIR > group')
    .action((options: Location) => printFile(options, groupFileOf))
}

async function printFile(options: Location, write: (directory: Directory) => string): Promise<void> {
  process.stdout.write(write(await withStore(options, (store) => store.directory())))
}

/** Thrown inside the transaction, so that it is rolled back. */
class NotImported extends Error {
  override readonly name = 'NotImported'
  readonly plan: ImportPlan

  constructor(plan: ImportPlan) {
    const count = plan.conflicts.length
    super(
      `Nothing was imported: ${count} ${count === 1 ? 'line is' : 'lines are'} invalid. Correct the files and import them again.`,
    )
    this.plan = plan
  }
}

/** The text of the file of an option; empty without the option. */
async function readOption(option: string, file: string | undefined): Promise<string> {
  if (file === undefined) return ''
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'permission denied' : String(code)
    throw new Error(`${option} is ${JSON.stringify(file)}: ${why}.`, { cause: error })
  }
}

async function importFiles(options: ImportOptions): Promise<void> {
  const { minId } = options
  if (options.passwd === undefined && options.group === undefined)
    throw new Error('There is nothing to import. Give --passwd, --group or both.')
  if (!Number.isInteger(minId) || minId < 1) throw new Error('--min-id takes a whole number of at least 1.')
  const [passwd, group] = await Promise.all([
    readOption('--passwd', options.passwd),
    readOption('--group', options.group),
  ])
  try {
    if (options.dryRun) {
      const plan = planImport(await withStore(options, (store) => store.directory()), { passwd, group, minId })
      if (plan.conflicts.length > 0) throw new NotImported(plan)
      printPlan(plan, options)
      return
    }
    const subject = [options.passwd, options.group].filter((file) => file !== undefined).join(' ')
    await changeStore(options, { action: 'user import', subject }, async (store) => {
      const changes = await store.changeDirectory((directory) => {
        const plan = planImport(directory, { passwd, group, minId })
        if (plan.conflicts.length > 0) throw new NotImported(plan)
        return plan.changes
      })
      printPlan({ changes, conflicts: [] }, options)
    })
  } catch (error) {
    if (error instanceof NotImported) printPlan(error.plan, options)
    throw error
  }
}

function printPlan({ changes, conflicts }: ImportPlan, { json, dryRun }: ImportOptions): void {
  const written = changes.flatMap((change) => (change.type === 'project' ? [] : [change]))
  if (json) {
    const groups = written.flatMap((change) => (change.type === 'group' ? [change.group] : []))
    const users = written.flatMap((change) => (change.type === 'user' ? [change.user] : []))
    printJson({ users, groups, conflicts, done: dryRun !== true && conflicts.length === 0 })
    return
  }
  for (const { file, line, message } of conflicts) process.stderr.write(`${file} line ${line}: ${message}\n`)
  if (conflicts.length > 0) return
  for (const change of written) process.stdout.write(`${lineOf(change)}\n`)
  if (dryRun) process.stderr.write('Nothing was written. Omit --dry-run to write the changes.\n')
  else
    process.stderr.write(
      written.length === 0 ? 'All users and groups exist already.\n' : `${written.length} written.\n`,
    )
}

const lineOf = (change: Exclude<DirectoryChange, { type: 'project' }>): string =>
  change.type === 'group'
    ? `group ${change.group.name} (gid ${change.group.gid})`
    : `user ${change.user.name} (uid ${change.user.uid}) in ${change.user.groups.map(({ name }) => name).join(', ') || 'no group'}`
