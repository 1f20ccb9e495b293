/** Breaks text between words so that no line is longer than `width`; longer words stay whole. */
export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines: string[] = []
    let line = ''
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + 1 + word.length > width) {
        lines.push(line)
        line = word
      } else {
        line = line === '' ? word : `${line} ${word}`
      }
    }
    return [...lines, line]
  })
}

/** Names and values, one pair a line. Long values continue in their own column. Pairs without a value are left out. */
export function fields(pairs: readonly (readonly [string, string | undefined])[], width: number): string {
  const known = pairs.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value] as const]))
  const indent = Math.max(...known.map(([name]) => name.length)) + 2
  return known
    .flatMap(([name, value]) =>
      wrap(value, width - indent).map((line, index) => (index === 0 ? name : '').padEnd(indent) + line),
    )
    .join('\n')
}
