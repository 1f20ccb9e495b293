import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { readConfiguration, sections, type Configuration } from '../../config/configuration.ts'
import { configurationPath, loadConfiguration, saveConfiguration } from '../../config/configuration-file.ts'
import { CommandFailure, usageFailure } from '../../failure.ts'
import { invocationOf, show, type Invocation } from '../../invocation.ts'
import { serialise } from '../../output/format.ts'
import { note, print } from '../../output/terminal.ts'
import { howToLogIn } from '../../config/server-login.ts'

/** Defines `canfar config`. */
export function define(program: Command): void {
  const config = program.command('config').description(`Show and change the settings in ${configurationPath()}.`)
  config
    .command('show')
    .description('Show all settings. Tokens and secrets are hidden.')
    .addHelpText(...examples('canfar config show'))
    .action(async (_options: unknown, self: Command) => {
      const shown = hideSecrets(await required())
      const { format } = invocationOf(self)
      print(await serialise(shown, format === 'json' ? 'json' : 'yaml'))
    })
  config
    .command('get')
    .description('Print one setting.')
    .argument('<key>', 'key, such as active.server or console.banner')
    .addHelpText(...examples('canfar config get active.server'))
    .action(async (key: string, _options: unknown, self: Command) => get(key, invocationOf(self)))
  config
    .command('set')
    .description('Change one setting.')
    .argument('<key>', 'key, such as console.banner')
    .argument('<value>', 'value in YAML, such as true, 120 or a text')
    .addHelpText(...examples('canfar config set console.banner true'))
    .action(async (key: string, value: string, _options: unknown, self: Command) => set(key, value, invocationOf(self)))
  config
    .command('path')
    .description('Print the path of the settings.')
    .addHelpText(...examples('canfar config path'))
    .action(async (_options: unknown, self: Command) => show(invocationOf(self), configurationPath(), String))
}

async function required(): Promise<Configuration> {
  const configuration = await loadConfiguration()
  if (configuration === undefined)
    throw new CommandFailure('notFound', 'config.missing', `there is no ${configurationPath()}`, howToLogIn)
  return configuration
}

async function get(key: string, invocation: Invocation): Promise<void> {
  let value: unknown = await required()
  for (const part of partsOf(key)) value = isMapping(value) ? value[part] : undefined
  if (value === undefined)
    throw new CommandFailure(
      'notFound',
      'command.validation_failed',
      `there is no setting '${key}'`,
      'canfar config show',
    )
  const text =
    isMapping(value) || Array.isArray(value) ? await serialise(value, 'yaml') : `${value as string | number | boolean}`
  await show(invocation, value, () => text)
}

async function set(key: string, text: string, invocation: Invocation): Promise<void> {
  const { parse } = await import('yaml')
  const parts = partsOf(key)
  const leaf = parts.at(-1) ?? ''
  if (!(sections as readonly string[]).includes(parts[0] ?? '') || parts[0] === 'version')
    throw usageFailure(
      `'${parts[0]}' is not a section that can be changed`,
      `use one of ${sections.slice(1).join(', ')}`,
    )
  const changed = structuredClone(await required()) as unknown as Record<string, unknown>
  let record = changed
  for (const part of parts.slice(0, -1)) {
    const next = record[part] ?? {}
    if (!isMapping(next))
      throw usageFailure(`'${key}' has '${part}' as a section, but '${part}' is a single value`, 'canfar config show')
    record[part] = next
    record = next
  }
  record[leaf] = parse(text)
  // Check the whole file before writing it: every later command has to read it.
  const checked = readConfiguration(changed)
  if (typeof checked === 'string')
    throw usageFailure(`'${key}' cannot be set to ${text}: ${checked}`, 'canfar config show')
  await saveConfiguration(checked)
  if (invocation.format === 'human') note(`${key} is ${text}.`)
  else await show(invocation, { [key]: record[leaf] }, String)
}

function partsOf(key: string): string[] {
  const parts = key.split('.')
  if (parts.some((part) => part === '' || part === '__proto__'))
    throw usageFailure(`'${key}' is not a key`, 'write a key such as console.banner')
  return parts
}

function hideSecrets(value: unknown, key = ''): unknown {
  if (isMapping(value))
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, hideSecrets(part, name)]))
  return ['access', 'refresh', 'secret'].includes(key) && typeof value === 'string' && value !== '' ? '********' : value
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
