import { open } from 'node:fs/promises'
import { ifThere } from '../../lib/files.ts'

/** Whether the first `length` bytes of a file end a line; true of no bytes, and of a file that is gone. */
export async function endsLine(path: string, length: number): Promise<boolean> {
  if (length === 0) return true
  const file = await ifThere(open(path))
  if (file === undefined) return true
  await using _ = file
  const { bytesRead, buffer } = await file.read(Buffer.alloc(1), 0, 1, length - 1)
  return bytesRead === 0 || buffer[0] === 10
}
