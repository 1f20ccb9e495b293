import { InvalidRequest, shown } from './invalid.ts'

/**
 * The group that a job is charged to: the requested group, else the only group of its owner. Pure.
 * @throws {InvalidRequest} when the owner is not in the requested group.
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
      ? 'Leave group out, or ask an administrator to add you to the group.'
      : 'Use one of your groups, leave group out, or ask an administrator to add you to the group.',
  )
}
