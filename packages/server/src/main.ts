import { Command, CommanderError } from 'commander'

/** What `bin/science-platform` understands. Commands are loaded when they are asked for. */
function program(): Command {
  const program = new Command('science-platform')
    .description('The science platform: queues, runs and explains container jobs.')
    .showHelpAfterError('(see science-platform --help)')
    .exitOverride()

  const located = (command: Command): Command =>
    command
      .option('--data <dir>', 'the data directory')
      .option('--config <file>', 'the configuration file (docs/configuration.md)')

  located(program.command('serve'))
    .description('start the platform; SIGTERM stops it, jobs go on running')
    .option('--listen <host:port>', 'where to listen (default: 127.0.0.1:8080; port 0: any free one)')
    .addHelpText('after', '\nExample:\n  science-platform serve --data /var/lib/science-platform')
    .action(async (options: { data?: string; config?: string; listen?: string }) => {
      const { serve } = await import('./commands/serve.ts')
      await serve(options)
    })

  const user = program.command('user').description('manage users')
  located(user.command('add <name>'))
    .description('add a user; with --group also the group and its directory under /arc/projects')
    .option('--group <group>', 'a group to be a member of (repeat for more)', collect, [])
    .option('--admin', 'may administer the platform')
    .option('--uid <number>', "the user's POSIX id (default: the next free one)", number)
    .addHelpText('after', '\nExample:\n  science-platform user add ada --group survey --data DIR')
    .action(
      async (
        name: string,
        options: { data?: string; config?: string; group: string[]; admin?: true; uid?: number },
      ) => {
        const { addUser } = await import('./commands/user.ts')
        await addUser(name, options)
      },
    )
  located(user.command('list'))
    .description('list users with their ids and groups')
    .option('--json', 'as JSON')
    .action(async (options: { data?: string; config?: string; json?: true }) => {
      const { listUsers } = await import('./commands/user.ts')
      await listUsers(options)
    })

  const token = program.command('token').description('manage tokens')
  located(token.command('create <user>'))
    .description('make a token and print it, alone, on standard output; it is shown this once')
    .option('--expires <time>', 'how long it is good for: 12h, 30d, 1y (default: for ever)')
    .option(
      '--scope <scopes>',
      'what it may do: read, submit, manage, admin, separated by commas (default: all of the user)',
    )
    .option('--name <name>', 'what it is for, for its owner to recognise', 'token')
    .addHelpText('after', '\nExample:\n  science-platform token create ada --expires 30d --data DIR')
    .action(
      async (
        account: string,
        options: { data?: string; config?: string; expires?: string; scope?: string; name: string },
      ) => {
        const { createToken } = await import('./commands/token.ts')
        await createToken(account, options)
      },
    )
  located(token.command('list <user>'))
    .description("list a user's tokens by their beginnings")
    .option('--json', 'as JSON')
    .action(async (account: string, options: { data?: string; config?: string; json?: true }) => {
      const { listTokens } = await import('./commands/token.ts')
      await listTokens(account, options)
    })
  located(token.command('revoke <user> <prefix>'))
    .description('end the token with this beginning, at once')
    .action(async (account: string, prefix: string, options: { data?: string; config?: string }) => {
      const { revokeToken } = await import('./commands/token.ts')
      await revokeToken(account, prefix, options)
    })

  const image = program.command('image').description('manage the local image store')
  located(image.command('load <archive>'))
    .description('put an OCI or docker archive into the local store')
    .requiredOption('--as <reference>', 'what jobs call it: localhost/NAME:TAG')
    .addHelpText(
      'after',
      '\nExample:\n  science-platform image load image.tar --as localhost/astro/source-extractor:1 --data DIR',
    )
    .action(async (archive: string, options: { data?: string; config?: string; as: string }) => {
      const { loadImage } = await import('./commands/image.ts')
      await loadImage(archive, options)
    })
  located(image.command('list'))
    .description('list the images on this machine')
    .option('--json', 'as JSON')
    .action(async (options: { data?: string; config?: string; json?: true }) => {
      const { listImages } = await import('./commands/image.ts')
      await listImages(options)
    })
  return program
}

const collect = (value: string, all: readonly string[]): string[] => [...all, value]
const number = (text: string): number => Number(text)

/** Every subcommand inherits nothing: exits are overridden one by one so that usage errors end with 2. */
function overrideExits(command: Command): Command {
  command.exitOverride()
  for (const sub of command.commands) overrideExits(sub)
  return command
}

try {
  await overrideExits(program()).parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2
  } else {
    const { message, stack } = error instanceof Error ? error : new Error(String(error))
    process.stderr.write(`science-platform: ${process.env.DEBUG === undefined ? message : (stack ?? message)}\n`)
    process.exitCode = 1
  }
}
