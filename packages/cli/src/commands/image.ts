import { sessionKinds, type SessionKind } from '@science-platform/client'
import { Option, type Command } from 'commander'
import { invocationOf, show } from '../invocation.ts'
import { platformFor } from '../platform.ts'
import { table } from '../output/table.ts'
import { columns, note } from '../output/terminal.ts'

interface ListOptions {
  readonly kind?: SessionKind
}

/** Defines `canfar image`. */
export function define(program: Command): void {
  const image = program
    .command('image')
    .summary('the images there are')
    .description('The images that the platform offers.')
  image
    .command('ls')
    .summary('list images')
    .description('List the images that the platform offers.')
    .addOption(new Option('-k, --kind <kind>', 'only those for this kind of session').choices(sessionKinds))
    .action(async ({ kind }: ListOptions, self: Command) => {
      const invocation = invocationOf(self)
      const { session } = await platformFor(invocation)
      // Filtered here, as by the published client: a kind that no image has is no error.
      const images = (await session.images()).filter(({ types }) => kind === undefined || types.includes(kind))
      if (invocation.format === 'human' && images.length === 0) {
        note('There are no images.')
        return
      }
      await show(invocation, images, (all) =>
        table(
          [
            { title: 'IMAGE', cut: 'start' },
            { title: 'KINDS', cut: 'end' },
            { title: 'DIGEST', droppable: 1 },
          ],
          all.map(({ id, types, digest }) => [id, types.join(' '), digest.replace(/^sha256:/, '').slice(0, 12)]),
          columns(),
        ),
      )
    })
}
