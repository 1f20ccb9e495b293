import { statfs } from 'node:fs/promises'

/**
 * Bytes that the images may take: what is configured, else half of the disk they are on.
 *
 * @param storeGb GiB
 */
export async function storeLimit(folder: string, storeGb: number | undefined): Promise<number> {
  if (storeGb !== undefined) return storeGb * 2 ** 30
  const { blocks, bsize } = await statfs(folder)
  return (blocks * bsize) / 2
}
