/** One entry of a tar archive. Nothing is checked, so that tests can write hostile entries. */
export interface TarEntry {
  readonly path: string
  /** Default: file. */
  readonly type?: 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo'
  /** Permission bits; default 0o755 for directories, else 0o644. */
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** Of a file. */
  readonly content?: Uint8Array | string
  /** Of a link. */
  readonly target?: string
  /** Of a device, default 0. */
  readonly major?: number
  readonly minor?: number
}

const typeFlags = { file: '0', hardlink: '1', symlink: '2', char: '3', block: '4', directory: '5', fifo: '6' } as const

/** A tar archive (POSIX ustar) of these entries, in this order. Times are 0, so that the same entries make the same bytes. */
export function tar(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocks), Buffer.alloc(1024)])
}

function blocks(entry: TarEntry): Buffer[] {
  const { path, type = 'file', uid = 0, gid = 0, target = '', major = 0, minor = 0 } = entry
  const content = Buffer.from(entry.content ?? '')
  const header = Buffer.alloc(512)
  const text = (value: string, offset: number, length: number): void => {
    if (Buffer.byteLength(value) > length)
      throw new RangeError(`${value} is longer than the ${length} bytes ustar has for it`)
    header.write(value, offset)
  }
  const octal = (value: number, offset: number, length: number): void => {
    header.write(value.toString(8).padStart(length - 1, '0'), offset)
  }
  text(path, 0, 100)
  octal(entry.mode ?? (type === 'directory' ? 0o755 : 0o644), 100, 8)
  octal(uid, 108, 8)
  octal(gid, 116, 8)
  octal(content.length, 124, 12)
  octal(0, 136, 12)
  header.fill(' ', 148, 156)
  text(typeFlags[type], 156, 1)
  text(target, 157, 100)
  header.write('ustar\u000000', 257)
  octal(major, 329, 8)
  octal(minor, 337, 8)
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  )
  return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]
}
