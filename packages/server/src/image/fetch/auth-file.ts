import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Writes the file from which skopeo takes credentials and returns its path. There is always one, empty without credentials:
 * skopeo would otherwise use those of the account the server runs under, and any user could read what the operator may.
 *
 * @param folder private to this fetch, removed after it
 * @param registryAuth `user:password`; the password may hold colons
 */
export async function writeAuthFile(
  folder: string,
  registry: string,
  registryAuth: string | undefined,
): Promise<string> {
  const path = join(folder, 'auth.json')
  const auths = registryAuth === undefined ? {} : { [registry]: { auth: Buffer.from(registryAuth).toString('base64') } }
  await writeFile(path, JSON.stringify({ auths }), { mode: 0o600, flag: 'wx' })
  return path
}
