import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import type { Command } from 'commander'
import { examples } from '../../examples.ts'
import { configurationPath } from '../../config/configuration-file.ts'
import { invocationOf, show } from '../../invocation.ts'

interface VersionOptions {
  readonly debug?: true
}

/** The version of `canfar`. */
export function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return text
}

/** Defines `canfar version`. */
export function define(program: Command): void {
  program
    .command('version')
    .description('Print the version; with --debug, also the details that a bug report needs.')
    .addHelpText(...examples('canfar version --debug'))
    .action(async (_options: unknown, self: Command) => {
      const { debug } = self.optsWithGlobals<VersionOptions>()
      const machine = `${process.platform} ${release()} ${process.arch}`
      const details = { version: version(), node: process.version, machine, configuration: configurationPath() }
      await show(invocationOf(self), details, () =>
        debug === true
          ? `canfar ${details.version}\nNode ${details.node}\n${machine}\n${details.configuration}`
          : `canfar ${details.version}`,
      )
    })
}
