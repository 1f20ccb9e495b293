import type { ImagePolicy } from './allowed.ts'
import { imageSource } from './allowed.ts'
import { RegistryClient } from '../registry/registry-client.ts'

/** The hosts that images may come from. Pure. */
export const registryHosts = ({ registries }: Pick<ImagePolicy, 'registries'>): readonly string[] => [
  ...new Set(registries.map((registry) => registry.split('/')[0] ?? '')),
]

/** The address that the credentials for a registry are sent to: the registry, or its alias. Pure. */
export const loginAddress = (registry: string, policy: ImagePolicy): string =>
  imageSource({ registry, path: '' }, policy).registry

/**
 * Tries credentials at the registry. False where the registry demands none, so that they are not checked.
 * @throws {RegistryError} `denied` where the registry refuses them.
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
