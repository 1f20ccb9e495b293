import type { ImagePolicy } from './allowed.ts'
import { imageSource } from './allowed.ts'
import { RegistryClient } from '../registry/registry-client.ts'

/** The hosts that images may come from. Pure. */
export const registryHosts = ({ registries }: Pick<ImagePolicy, 'registries'>): readonly string[] => [
  ...new Set(registries.map((registry) => registry.split('/')[0] ?? '')),
]

/** Where the credentials for a registry are sent: to itself, or to what stands in for it. Pure. */
export const loginAddress = (registry: string, policy: ImagePolicy): string =>
  imageSource({ registry, path: '' }, policy).registry

/**
 * Tries credentials at the registry. False where it lets everybody in and so says nothing about them.
 * @throws {RegistryError} `denied` where it refuses them.
 */
export async function checkLogin(
  registry: string,
  registryAuth: string,
  policy: ImagePolicy,
  signal: AbortSignal,
): Promise<boolean> {
  const source = imageSource({ registry, path: '' }, policy)
  const { tokenHosts = {} } = policy
  return new RegistryClient({ source, credentials: registryAuth, tokenHosts, signal }).logIn()
}
