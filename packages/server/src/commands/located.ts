import type { Command } from 'commander'

/** Adds the options that locate the platform. Every command has them. */
export const located = (command: Command): Command =>
  command
    .option('--data <dir>', 'the data directory')
    .option('--config <file>', 'the configuration file (docs/configuration.md)')
