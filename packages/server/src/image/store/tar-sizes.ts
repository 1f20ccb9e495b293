/** What the entries of a tar archive take when they are unpacked. */
export interface UnpackedSizes {
  /** Bytes of all files, each in whole blocks of 4 KiB, holes included. */
  readonly bytes: number
  readonly largest: { readonly path: string; readonly bytes: number } | undefined
}

const block = 512
/** Pax headers and long names at most: what is larger is data of a file. */
const mostHeaderBytes = 2 ** 20

/**
 * Reads the sizes of the entries of a tar archive as its bytes come: POSIX ustar and pax, GNU long names, base-256 sizes, and
 * sparse files of GNU (`S`, and pax `GNU.sparse.*`), which count with their holes. Data are skipped, not copied.
 */
export class TarSizes {
  #bytes = 0
  #largest: UnpackedSizes['largest']
  /** Bytes of data to skip. */
  #skip = 0
  /** Bytes to collect: a header, or the data of a header entry. */
  #wanted = block
  #parts: Buffer[] = []
  #collected = 0
  /** What to do with what is collected. */
  #next: (bytes: Buffer) => void = (bytes) => {
    this.#header(bytes)
  }
  /** What header entries say about the next entry. */
  #longName: string | undefined
  #pax = new Map<string, string>()

  get sizes(): UnpackedSizes {
    return { bytes: this.#bytes, largest: this.#largest }
  }

  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - at)
        this.#skip -= skipped
        at += skipped
        continue
      }
      const part = chunk.subarray(at, at + this.#wanted - this.#collected)
      at += part.length
      this.#parts.push(part)
      this.#collected += part.length
      if (this.#collected < this.#wanted) return
      const bytes = this.#parts.length === 1 ? part : Buffer.concat(this.#parts)
      this.#parts = []
      this.#collected = 0
      this.#next(bytes)
    }
  }

  #expect(wanted: number, next: (bytes: Buffer) => void): void {
    this.#wanted = wanted
    this.#next = next
  }

  #expectHeader(): void {
    this.#expect(block, (bytes) => {
      this.#header(bytes)
    })
  }

  #header(bytes: Buffer): void {
    // Blocks of zeros end an archive; some archives have more behind them, which tar programs do not read.
    if (bytes.every((byte) => byte === 0)) return
    const type = String.fromCharCode(bytes[156] ?? 0)
    const size = Number(this.#pax.get('size') ?? numberOf(bytes.subarray(124, 136)))
    const padded = Math.ceil(size / block) * block
    if ((type === 'x' || type === 'L') && size > 0 && size <= mostHeaderBytes) {
      this.#expect(padded, (data) => {
        const content = data.subarray(0, size)
        if (type === 'x') this.#pax = recordsOf(content)
        else this.#longName = textOf(content)
        this.#expectHeader()
      })
      return
    }
    if (type === 'S' && bytes[482] !== 0) {
      this.#expect(block, (more) => {
        this.#sparseMore(more, bytes, padded)
      })
      return
    }
    this.#entry(type, bytes, size, padded)
  }

  /** Further maps of a sparse file, before its data. */
  #sparseMore(more: Buffer, header: Buffer, padded: number): void {
    if (more[504] !== 0) return
    this.#entry('S', header, 0, padded)
    this.#expectHeader()
  }

  #entry(type: string, bytes: Buffer, size: number, padded: number): void {
    const isFile = type === '0' || type === '\0' || type === '7' || type === 'S'
    const real = this.#pax.get('GNU.sparse.realsize') ?? this.#pax.get('GNU.sparse.size')
    if (isFile) {
      const unpacked = type === 'S' ? numberOf(bytes.subarray(483, 495)) : Math.max(size, Number(real ?? 0))
      this.#bytes += Math.ceil(unpacked / 4096) * 4096
      if (this.#largest === undefined || unpacked > this.#largest.bytes)
        this.#largest = { path: this.#path(bytes), bytes: unpacked }
    }
    // Links, devices and folders have no data, whatever their size says (ustar); global headers have.
    this.#skip = isFile || type === 'x' || type === 'L' || type === 'K' || type === 'g' ? padded : 0
    if (isFile || this.#skip === 0) {
      this.#longName = undefined
      this.#pax = new Map()
    }
  }

  #path(bytes: Buffer): string {
    const [name, prefix] = [textOf(bytes.subarray(0, 100)), textOf(bytes.subarray(345, 500))]
    const isPosix = bytes.toString('latin1', 257, 263) === 'ustar\0'
    const own = isPosix && prefix !== '' ? `${prefix}/${name}` : name
    return this.#pax.get('GNU.sparse.name') ?? this.#pax.get('path') ?? this.#longName ?? own
  }
}

/** Octal digits, or base 256 where the first bit is set (GNU). */
function numberOf(field: Buffer): number {
  if (((field[0] ?? 0) & 0x80) === 0) return Number.parseInt(textOf(field).trim() || '0', 8) || 0
  return field.reduce((value, byte, i) => value * 256 + (i === 0 ? byte & 0x7f : byte), 0)
}

/** The text before the first NUL. */
function textOf(field: Buffer): string {
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end === -1 ? field.length : end)
}

/** Records of a pax header: `LENGTH KEY=VALUE` and a line break. */
function recordsOf(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < bytes.length;) {
    const blank = bytes.indexOf(0x20, at)
    const length = Number(bytes.toString('latin1', at, Math.max(at, blank)))
    if (blank === -1 || !Number.isInteger(length) || length <= 0) return records
    const [key = '', ...value] = bytes.toString('utf8', blank + 1, at + length - 1).split('=')
    records.set(key, value.join('='))
    at += length
  }
  return records
}
