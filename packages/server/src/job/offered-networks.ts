import type { Network } from '@science-platform/contract'
import { InvalidRequest } from './invalid.ts'

/**
 * The networks that a job may ask for. Where the platform isolates, the machine's own is not among them unless its people say
 * so: what listens on the machine's loopback takes whoever is there for one of its own. Pure.
 * @param isolates whether the platform has a network that it keeps jobs in.
 */
export const offeredNetworks = (
  setting: { readonly allowed?: readonly Network[]; readonly default?: Network },
  isolates: boolean,
): readonly Network[] =>
  setting.allowed ?? [
    ...new Set<Network>([isolates ? 'isolated' : 'host', 'none', ...(setting.default ? [setting.default] : [])]),
  ]

/** @throws {InvalidRequest} where a job asks for a network that is not on offer. */
export function checkNetwork(asked: Network | undefined, offered: readonly Network[]): void {
  if (asked === undefined || offered.includes(asked)) return
  throw new InvalidRequest(
    'network',
    `network is ${asked}, which this platform does not give to jobs`,
    offered.length === 0 ? 'Leave network out.' : `Use one of: ${offered.join(', ')}; or leave network out.`,
  )
}
