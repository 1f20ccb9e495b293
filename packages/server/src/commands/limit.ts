import { HolderSettings, type Limits } from '@science-platform/contract'
import type { Command } from 'commander'
import { Argument } from 'commander'
import { InvalidRequest } from '../job/invalid.ts'
import { isThere } from '../http/api/limits.ts'
import { compileSchema } from '../http/server/validation.ts'
import type { StoredHolder } from '../store/store.ts'
import { located } from './located.ts'
import { changeStore, withStore, type Location } from './open-store.ts'
import { printTable } from './output/table.ts'

type Kind = StoredHolder['kind']

/** The field of {@link Limits} that each option sets, in the order of the table. */
const amounts = {
  cores: 'cores',
  memory: 'memoryGb',
  gpus: 'gpus',
  running: 'running',
  queued: 'queued',
} as const satisfies Record<string, keyof Limits>
type Amount = keyof typeof amounts

interface SetOptions extends Location, Partial<Record<Amount, string>> {
  readonly weight?: string
  readonly offPeak?: true
}

const kindArgument = (): Argument => new Argument('<kind>', 'user or group').choices(['user', 'group'])

/** Defines the commands under `limit`. */
export function define(limit: Command): void {
  const set = located(limit.command('set'))
    .description('set limits of a user or group; a running server applies them within seconds')
    .addArgument(kindArgument())
    .argument('<name>')
  set
    .option('--cores <number>', 'cores')
    .option('--memory <GiB>', 'memory in GiB')
    .option('--gpus <number>', 'GPUs')
    .option('--running <jobs>', 'running jobs')
    .option('--queued <jobs>', 'waiting jobs')
    .option('--off-peak', 'set the limits of off-peak hours')
    .option('--weight <number>', 'weight of the share relative to others (default: 1)')
    .addHelpText(
      'after',
      [
        '',
        'Omitted limits stay; none removes a limit; 0 admits nothing.',
        'Running jobs continue, also above a new limit.',
        '',
        'Examples:',
        '  science-platform limit set user ada --cores 64 --memory 256 --data DIR',
        '  science-platform limit set group survey --cores 512 --off-peak --data DIR',
      ].join('\n'),
    )
    .action(setLimits)
  located(limit.command('list'))
    .description('list the limits of users and groups, and the defaults')
    .option('--json', 'as JSON')
    .action(listLimits)
  located(limit.command('clear'))
    .description('remove the limits of a user or group, so that the defaults apply again')
    .addArgument(kindArgument())
    .argument('<name>')
    .action(clearLimits)
}

/** `limit set` */
async function setLimits(kind: Kind, name: string, options: SetOptions): Promise<void> {
  const given = (Object.keys(amounts) as Amount[]).filter((option) => options[option] !== undefined)
  if (given.length === 0 && options.weight === undefined)
    throw new InvalidRequest('limits', 'there is no limit to set', 'Give a limit, for instance --cores 64.')
  if (options.offPeak === true && options.queued !== undefined)
    throw new InvalidRequest('queued', '--queued is the same at all hours', 'Omit --off-peak or --queued.')
  await changeStore(options, { action: 'limit set', subject: `${kind}/${name}` }, async (store) => {
    if (!(await isThere(store, kind, name)))
      throw new InvalidRequest(kind, `there is no ${kind} ${name}`, `List them: science-platform ${kind} list`)
    const before = (await store.holders()).find((holder) => holder.kind === kind && holder.name === name)
    const holder = checked({ kind, name, limits: {}, ...before, setAt: Date.now() }, given, options)
    await store.setHolder(holder)
    process.stderr.write(`${kind} ${name}: ${limitsText(holder.limits)}\n`)
  })
}

/** The new settings. @throws {InvalidRequest} where a number is invalid */
function checked(before: StoredHolder, given: readonly Amount[], options: SetOptions): StoredHolder {
  const changed: Record<string, number | undefined> = {}
  for (const option of given) changed[amounts[option]] = numberOf(option, options[option] ?? '')
  const { offPeak, ...always } = before.limits
  const limits =
    options.offPeak === true
      ? { ...always, offPeak: present({ ...offPeak, ...changed }) }
      : { ...present({ ...always, ...changed }), ...(offPeak === undefined ? {} : { offPeak }) }
  const weight = options.weight === undefined ? before.weight : numberOf('weight', options.weight)
  const settings = { limits, ...(weight === undefined ? {} : { weight }) }
  const result = validate(settings) as { value: HolderSettings } | { error: Error }
  if ('error' in result) throw result.error
  const { kind, name, setAt } = before
  return { kind, name, limits: {}, ...result.value, setAt }
}

const validate = compileSchema({ schema: HolderSettings, httpPart: 'body', method: 'PUT', url: '/limits' })

/** A number; undefined for `none`, which is no limit. @throws {InvalidRequest} where the text is neither */
function numberOf(option: string, text: string): number | undefined {
  if (text === 'none') return undefined
  const number = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isFinite(number)) return number
  throw new InvalidRequest(option, `--${option} is ${JSON.stringify(text)}`, `Give a number or none.`)
}

const present = (limits: Record<string, number | undefined>): Record<string, number> =>
  Object.fromEntries(Object.entries(limits).filter((entry): entry is [string, number] => entry[1] !== undefined))

/** `limit clear` */
async function clearLimits(kind: Kind, name: string, options: Location): Promise<void> {
  await changeStore(options, { action: 'limit clear', subject: `${kind}/${name}` }, async (store) => {
    if (!(await store.clearHolder(kind, name, Date.now())))
      throw new InvalidRequest(
        kind,
        `the ${kind} ${name} has no limits of its own`,
        'List them: science-platform limit list',
      )
  })
}

/** `limit list` */
async function listLimits(options: Location & { readonly json?: true }): Promise<void> {
  await withStore(options, async (store, { policy }) => {
    const holders = await store.holders()
    if (options.json) {
      process.stdout.write(`${JSON.stringify({ defaults: policy.limits, holders }, undefined, 2)}\n`)
      return
    }
    const rows = [
      { kind: 'user', name: '(every)', limits: policy.limits.user },
      { kind: 'group', name: '(every)', limits: policy.limits.group },
      ...holders,
    ]
    printTable(
      ['KIND', 'NAME', 'LIMITS', 'WEIGHT'],
      rows.map((row) => [row.kind, row.name, limitsText(row.limits), 'weight' in row ? String(row.weight ?? '') : '']),
    )
  })
}

/** `cores 64, memory 256 (off-peak: cores 128)` */
function limitsText({ offPeak, ...limits }: StoredHolder['limits']): string {
  const text = (of: Limits): string =>
    Object.entries(amounts)
      .flatMap(([option, key]) => (of[key] === undefined ? [] : [`${option} ${of[key]}`]))
      .join(', ')
  const always = text(limits) || 'none'
  return offPeak === undefined || text(offPeak) === '' ? always : `${always} (off-peak: ${text(offPeak)})`
}
