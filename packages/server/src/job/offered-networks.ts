import type { Network } from '@science-platform/contract'
import { InvalidRequest } from './invalid.ts'

/**
 * The networks that a job may ask for. A platform with isolated networks offers `host` only when the configuration does:
 * programs that listen on the machine's loopback trust every local client. Pure.
 * @param isolates whether the platform has isolated networks.
 */
export const offeredNetworks = (
  setting: { readonly allowed?: readonly Network[]; readonly default?: Network },
  isolates: boolean,
): readonly Network[] =>
  setting.allowed ?? [
    ...new Set<Network>([isolates ? 'isolated' : 'host', 'none', ...(setting.default ? [setting.default] : [])]),
  ]

/** @throws {InvalidRequest} when the network is not on offer. */
export function checkNetwork(asked: Network | undefined, offered: readonly Network[]): void {
  if (asked === undefined || offered.includes(asked)) return
  throw new InvalidRequest(
    'network',
    `network is ${asked}, which this platform does not offer`,
    offered.length === 0 ? 'Leave network out.' : `Use one of: ${offered.join(', ')}; or leave network out.`,
  )
}
