import { statfs } from 'node:fs/promises'

/**
 * Bytes that images may take: as configured, otherwise half of their disk.
 *
 * @param storeGb GiB
 */
export async function storeLimit(folder: string, storeGb: number | undefined): Promise<number> {
  if (storeGb !== undefined) return storeGb * 2 ** 30
  const { blocks, bsize } = await statfs(folder)
  return (blocks * bsize) / 2
}
