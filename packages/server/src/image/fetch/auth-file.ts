import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Writes the file with skopeo's credentials and returns its path. Without credentials the file is empty. skopeo would
 * otherwise use those of the server's account, and any user could read the operator's images.
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
