/** A column: its heading, and how it shrinks in a table that is too wide. */
export interface Column {
  readonly title: string
  /** End at which text is cut. Left out: never cut. */
  readonly cut?: 'start' | 'end'
  readonly align?: 'right'
  /** The column is dropped when cutting is not enough; the highest number first. */
  readonly droppable?: number
}

/** Minimum width of a cut column. */
const narrowest = 8
const gap = 2

/**
 * A table within `width` columns of the terminal. Ids are never cut: when dropping columns is not enough, lines are longer.
 * `paint` colours a cell after its width is known.
 */
export function table(
  layout: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  paint: (text: string, title: string, row: number) => string = (text) => text,
): string {
  const shown = fit(layout, rows, width)
  const line = (cells: readonly string[], row: number): string =>
    shown
      .map(({ column, index, size }, position) => {
        const cell = cut(cells[index] ?? '', size, column.cut)
        const isLast = position === shown.length - 1
        const padded = column.align === 'right' ? cell.padStart(size) : isLast ? cell : cell.padEnd(size)
        return row < 0 ? padded : padded.replace(cell, () => paint(cell, column.title, row))
      })
      .join(' '.repeat(gap))
      .trimEnd()
  return [
    line(
      layout.map(({ title }) => title),
      -1,
    ),
    ...rows.map(line),
  ].join('\n')
}

interface Shown {
  readonly column: Column
  readonly index: number
  readonly size: number
}

function fit(layout: readonly Column[], rows: readonly (readonly string[])[], width: number): Shown[] {
  let shown: Shown[] = layout.map((column, index) => ({ column, index, size: widest(column, index, rows) }))
  for (;;) {
    const excess = total(shown) - width
    if (excess <= 0) return shown
    const shrunk = shrink(shown, excess)
    if (shrunk !== undefined) return shrunk
    const victim = shown.toSorted((a, b) => (b.column.droppable ?? 0) - (a.column.droppable ?? 0))[0]
    if (victim?.column.droppable === undefined) return shown
    shown = shown.filter((entry) => entry !== victim)
  }
}

const widest = (column: Column, index: number, rows: readonly (readonly string[])[]): number =>
  rows.reduce((size, row) => Math.max(size, (row[index] ?? '').length), column.title.length)

const total = (shown: readonly Shown[]): number =>
  shown.reduce((sum, { size }) => sum + size, 0) + gap * (shown.length - 1)

/** Cuts the widest columns that may be cut by the excess; undefined when that is not possible. */
function shrink(shown: readonly Shown[], excess: number): Shown[] | undefined {
  const sizes = shown.map(({ size }) => size)
  for (let left = excess; left > 0; left -= 1) {
    let widestIndex = -1
    for (const [index, { column }] of shown.entries())
      if (column.cut !== undefined && (sizes[index] ?? 0) > Math.max(narrowest, sizes[widestIndex] ?? 0))
        widestIndex = index
    if (widestIndex === -1) return undefined
    sizes[widestIndex] = (sizes[widestIndex] ?? 0) - 1
  }
  return shown.map((entry, index) => ({ ...entry, size: sizes[index] ?? entry.size }))
}

function cut(text: string, size: number, side: Column['cut']): string {
  if (text.length <= size || side === undefined) return text
  return side === 'start' ? `…${text.slice(text.length - size + 1)}` : `${text.slice(0, size - 1)}…`
}
