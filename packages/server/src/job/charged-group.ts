import { InvalidRequest, shown } from './invalid.ts'

/**
 * The group that a job is charged to: the one that was asked for, else its owner's group where they have only one. Pure.
 * @throws {InvalidRequest} where its owner is not in the group.
 */
export function chargedGroup(
  asked: string | undefined,
  owner: { readonly name: string; readonly groups: readonly { readonly name: string }[] },
): string | undefined {
  const names = owner.groups.map(({ name }) => name)
  if (asked === undefined) return names.length === 1 ? names[0] : undefined
  if (names.includes(asked)) return asked
  throw new InvalidRequest(
    'group',
    `group is ${shown(asked)}, but ${owner.name} is in ${names.length === 0 ? 'no group' : names.join(', ')}`,
    names.length === 0
      ? 'Leave group out, or ask an administrator to add you to it.'
      : `Use one of yours, leave group out, or ask an administrator to add you to it.`,
  )
}
